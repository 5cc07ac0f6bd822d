"""Static checks of WebAssembly files, before anything is compiled."""
