;; The Extism kernel: the memory that an Extism plugin shares with its host, and every function of `extism:host/env`.
;;
;; One linear memory, in this order:
;;   0x0000  control words, shared with the host (kernel.py has the same list); guests have no handle that reaches them
;;   0x1000  log buffer: records {u32 level, u32 length, bytes}, drained by the host at doors and at the end of a call
;;   0x10000 settings: the plugin's configuration as {u32 key length, u32 value length, key, value}, written once by the host
;;   vars    variables that outlive a call: entries {u32 size, u32 key length (0 = dead), u32 value length, u32 0, key, value}
;;   heap    blocks of the current call: header {u32 length, u32 mark, 8 bytes spare}, then the data, all 16-byte aligned
;;
;; The host writes the input as the first block, calls the plugin, and reads output and error straight from here: no function of
;; this module is called by the host. The heap only grows within a call; the host zeroes what was used before the next one.
;; Guests may write anywhere in the heap, block headers included, so no length from a header is used before it was checked
;; against the end of the heap. A fault stores its code in a control word and traps.
(module
  (import "mockforge" "door" (func $door (param i32) (result i64)))
  (export "door" (func $door))                                                      ;; for the WASI shims
  (memory (export "memory") 4)

  ;; control words
  (global $INPUT i32 (i32.const 0x00)) (global $INPUT_LENGTH i32 (i32.const 0x04))
  (global $OUTPUT i32 (i32.const 0x08)) (global $OUTPUT_LENGTH i32 (i32.const 0x0c))
  (global $ERROR i32 (i32.const 0x10)) (global $END i32 (i32.const 0x14))           ;; END: first free byte of the heap
  (global $FAULT i32 (i32.const 0x18)) (global $STATUS i32 (i32.const 0x1c))        ;; STATUS: of the last HTTP answer
  (global $HEAP i32 (i32.const 0x20)) (global $MEMORY_END i32 (i32.const 0x24))
  (global $SETTINGS_END i32 (i32.const 0x28)) (global $VARS_END i32 (i32.const 0x2c)) (global $VARS_LIMIT i32 (i32.const 0x30))
  (global $LOG_END i32 (i32.const 0x34)) (global $LOG_LEVEL i32 (i32.const 0x38))
  (global $REPLY_LENGTH i32 (i32.const 0x3c)) (global $ARGS i32 (i32.const 0x40))   ;; up to eight u32 arguments of a door

  (global $LOG i32 (i32.const 0x1000)) (global $SETTINGS i32 (i32.const 0x10000))
  (global $MAX_LOG_BYTES i32 (i32.const 0x2000))
  (global $MARK i32 (i32.const 0x4d464b32))

  ;; door numbers: 1 flush the log, 2 copy the reply that did not fit, 3 http request, 4 headers of its answer, 5 any other door,
  ;; from 16 on: wasi.wat
  ;; faults: 1 not a live block, 2 out of memory, 3 variables full, 4 a door refused, 5 exit, 6 abort

  (func $fault (export "fault") (param $code i32)
    (i32.store (global.get $FAULT) (local.get $code)) (unreachable))
  (func $end (result i64) (i64.load32_u (global.get $END)))
  (func $heap (result i64) (i64.load32_u (global.get $HEAP)))

  ;; is [p, p+n) inside the heap? n may be 0
  (func $inside (param $p i64) (param $n i64) (result i32)
    (if (i64.lt_u (local.get $p) (call $heap)) (then (return (i32.const 0))))
    (if (i64.gt_u (local.get $p) (call $end)) (then (return (i32.const 0))))
    (i64.le_u (local.get $n) (i64.sub (call $end) (local.get $p))))

  ;; length of the live block at p, or 0
  (func $length (export "length") (param $p i64) (result i64) (local $n i64)
    (if (i64.ne (i64.and (local.get $p) (i64.const 15)) (i64.const 0)) (then (return (i64.const 0))))
    (if (i32.eqz (call $inside (i64.sub (local.get $p) (i64.const 16)) (i64.const 16))) (then (return (i64.const 0))))
    (if (i32.ne (i32.load offset=4 (i32.sub (i32.wrap_i64 (local.get $p)) (i32.const 16))) (global.get $MARK)) (then (return (i64.const 0))))
    (local.set $n (i64.load32_u (i32.sub (i32.wrap_i64 (local.get $p)) (i32.const 16))))
    (if (result i64) (call $inside (local.get $p) (local.get $n)) (then (local.get $n)) (else (i64.const 0))))
  (func (export "length_unsafe") (param i64) (result i64) (call $length (local.get 0)))

  ;; length of an argument: 0 stands for "none"; anything else that is no live block is a fault
  (func $argument (param $p i64) (result i32) (local $n i64)
    (if (i64.eqz (local.get $p)) (then (return (i32.const 0))))
    (local.set $n (call $length (local.get $p)))
    (if (i64.eqz (local.get $n)) (then (call $fault (i32.const 1))))
    (i32.wrap_i64 (local.get $n)))

  (func $alloc (export "alloc") (param $n i64) (result i64) (local $block i64) (local $end i64)
    (if (i64.eqz (local.get $n)) (then (return (i64.const 0))))
    (if (i64.gt_u (local.get $n) (i64.const 0x7fffffff)) (then (call $fault (i32.const 2))))
    (local.set $block (i64.add (call $end) (i64.const 16)))
    (local.set $end (i64.and (i64.add (i64.add (local.get $block) (local.get $n)) (i64.const 15)) (i64.const -16)))
    (if (i64.gt_u (local.get $end) (i64.load32_u (global.get $MEMORY_END))) (then (call $grow (local.get $end))))
    (i32.store (i32.load (global.get $END)) (i32.wrap_i64 (local.get $n)))
    (i32.store offset=4 (i32.load (global.get $END)) (global.get $MARK))
    (i32.store (global.get $END) (i32.wrap_i64 (local.get $end)))
    (local.get $block))

  ;; makes the memory reach `end`, with some room to spare if the limit allows; MEMORY_END stays below 2^32
  (func $grow (param $end i64) (local $pages i64)
    (if (i64.gt_u (local.get $end) (i64.const 0xffff0000)) (then (call $fault (i32.const 2))))
    (local.set $pages (i64.sub (i64.shr_u (i64.add (local.get $end) (i64.const 0xffff)) (i64.const 16)) (i64.extend_i32_u (memory.size))))
    (if (i64.gt_s (local.get $pages) (i64.const 0)) (then
      (if (i32.eq (memory.grow (i32.add (i32.wrap_i64 (local.get $pages)) (i32.const 8))) (i32.const -1)) (then
        (if (i32.eq (memory.grow (i32.wrap_i64 (local.get $pages))) (i32.const -1)) (then (call $fault (i32.const 2))))))))
    (if (i32.gt_u (memory.size) (i32.const 0xffff))
      (then (i32.store (global.get $MEMORY_END) (i32.const 0xffff0000)))
      (else (i32.store (global.get $MEMORY_END) (i32.shl (memory.size) (i32.const 16))))))

  ;; freed blocks are never given out again within a call, so a stale handle reads its own old bytes and nothing else
  (func $free (export "free") (param $p i64)
    (if (i64.eqz (call $length (local.get $p))) (then (return)))
    (i32.store offset=4 (i32.sub (i32.wrap_i64 (local.get $p)) (i32.const 16)) (i32.const 0)))

  (func (export "load_u8") (param $p i64) (result i32)
    (if (result i32) (call $inside (local.get $p) (i64.const 1)) (then (i32.load8_u (i32.wrap_i64 (local.get $p)))) (else (i32.const 0))))
  (func (export "load_u64") (param $p i64) (result i64)
    (if (result i64) (call $inside (local.get $p) (i64.const 8)) (then (i64.load (i32.wrap_i64 (local.get $p)))) (else (i64.const 0))))
  (func (export "store_u8") (param $p i64) (param $v i32)
    (if (call $inside (local.get $p) (i64.const 1)) (then (i32.store8 (i32.wrap_i64 (local.get $p)) (local.get $v)))))
  (func (export "store_u64") (param $p i64) (param $v i64)
    (if (call $inside (local.get $p) (i64.const 8)) (then (i64.store (i32.wrap_i64 (local.get $p)) (local.get $v)))))

  (func $input_length (export "input_length") (result i64) (i64.load32_u (global.get $INPUT_LENGTH)))
  (func (export "input_offset") (result i64) (i64.load32_u (global.get $INPUT)))
  (func (export "input_load_u8") (param $o i64) (result i32)
    (if (i64.ge_u (local.get $o) (call $input_length)) (then (return (i32.const 0))))
    (i32.load8_u (i32.add (i32.load (global.get $INPUT)) (i32.wrap_i64 (local.get $o)))))
  (func (export "input_load_u64") (param $o i64) (result i64)
    (if (i64.ge_u (local.get $o) (call $input_length)) (then (return (i64.const 0))))
    (if (i64.lt_u (i64.sub (call $input_length) (local.get $o)) (i64.const 8)) (then (return (i64.const 0))))
    (i64.load (i32.add (i32.load (global.get $INPUT)) (i32.wrap_i64 (local.get $o)))))
  (func (export "input_set") (param $p i64) (param $n i64)
    (call $set_pair (global.get $INPUT) (local.get $p) (local.get $n)))
  (func (export "output_set") (param $p i64) (param $n i64)
    (call $set_pair (global.get $OUTPUT) (local.get $p) (local.get $n)))
  (func $set_pair (param $word i32) (param $p i64) (param $n i64)
    (if (i64.eqz (local.get $n)) (then (i64.store (local.get $word) (i64.const 0)) (return)))
    (if (i32.eqz (call $inside (local.get $p) (local.get $n))) (then (return)))
    (i32.store (local.get $word) (i32.wrap_i64 (local.get $p)))
    (i32.store offset=4 (local.get $word) (i32.wrap_i64 (local.get $n))))
  (func (export "output_offset") (result i64) (i64.load32_u (global.get $OUTPUT)))
  (func (export "output_length") (result i64) (i64.load32_u (global.get $OUTPUT_LENGTH)))
  (func (export "error_set") (param $p i64)
    (if (i64.ne (local.get $p) (i64.const 0)) (then (if (i64.eqz (call $length (local.get $p))) (then (return)))))
    (i32.store (global.get $ERROR) (i32.wrap_i64 (local.get $p))))
  (func (export "error_get") (result i64) (i64.load32_u (global.get $ERROR)))
  (func (export "memory_bytes") (result i64) (i64.sub (call $end) (call $heap)))
  (func (export "reset")
    (memory.fill (i32.load (global.get $HEAP)) (i32.const 0) (i32.sub (i32.load (global.get $END)) (i32.load (global.get $HEAP))))
    (i32.store (global.get $END) (i32.load (global.get $HEAP)))
    (i64.store (global.get $INPUT) (i64.const 0)) (i64.store (global.get $OUTPUT) (i64.const 0)) (i32.store (global.get $ERROR) (i32.const 0)))

  ;; doors: the guest is suspended inside $door; the host reads ARGS, does its work on its own stack and answers
  ;;   0: nothing   1: the reply lies behind the end of the heap, where the next block goes   2: it did not fit, ask again
  ;;   3: refused, fail the call
  (func $set_argument (param $i i32) (param $value i32)
    (i32.store (i32.add (global.get $ARGS) (i32.shl (local.get $i) (i32.const 2))) (local.get $value)))
  (func $block_argument (param $i i32) (param $p i64)
    (call $set_argument (i32.add (local.get $i) (i32.const 1)) (call $argument (local.get $p)))
    (call $set_argument (local.get $i) (i32.wrap_i64 (local.get $p))))
  (func $ask (param $number i32) (result i64) (local $answer i64) (local $block i64)
    (local.set $answer (call $door (local.get $number)))
    (if (i64.eqz (local.get $answer)) (then (return (i64.const 0))))
    (if (i64.eq (local.get $answer) (i64.const 3)) (then (call $fault (i32.const 4))))
    (local.set $block (call $alloc (i64.load32_u (global.get $REPLY_LENGTH))))
    (if (i64.eq (local.get $answer) (i64.const 2)) (then
      (call $set_argument (i32.const 0) (i32.wrap_i64 (local.get $block)))
      (drop (call $door (i32.const 2)))))
    (local.get $block))

  (func (export "http_request") (param $request i64) (param $body i64) (result i64) (local $answer i64)
    (if (i64.eqz (local.get $request)) (then (call $fault (i32.const 1))))
    (i32.store (global.get $STATUS) (i32.const 0))
    (call $block_argument (i32.const 0) (local.get $request))
    (call $block_argument (i32.const 2) (local.get $body))
    (local.set $answer (call $ask (i32.const 3)))
    (call $free (local.get $request)) (call $free (local.get $body))
    (local.get $answer))
  (func (export "http_status_code") (result i32) (i32.load (global.get $STATUS)))
  (func (export "http_headers") (result i64)
    (if (i32.eqz (i32.load (global.get $STATUS))) (then (return (i64.const 0))))
    (call $ask (i32.const 4)))

  ;; extism:host/user mockforge_door(name, payload): both text; the answer is JSON, {"ok": …} or {"error": {…}}
  (func (export "mockforge_door") (param $name i64) (param $payload i64) (result i64) (local $answer i64)
    (if (i64.eqz (local.get $name)) (then (call $fault (i32.const 1))))
    (call $block_argument (i32.const 0) (local.get $name))
    (call $block_argument (i32.const 2) (local.get $payload))
    (local.set $answer (call $ask (i32.const 5)))
    (call $free (local.get $name)) (call $free (local.get $payload))
    (local.get $answer))

  ;; log: a handle that is no live block logs nothing, since that is no reason to fail a call
  (func $log (param $level i32) (param $p i64) (local $n i32) (local $at i32) (local $mark i32)
    (local.set $n (i32.wrap_i64 (call $length (local.get $p))))
    (if (i32.or (i32.eqz (local.get $n)) (i32.lt_u (local.get $level) (i32.load (global.get $LOG_LEVEL)))) (then (call $free (local.get $p)) (return)))
    (local.set $mark (local.get $level))
    (if (i32.gt_u (local.get $n) (global.get $MAX_LOG_BYTES)) (then
      (local.set $n (global.get $MAX_LOG_BYTES)) (local.set $mark (i32.or (local.get $level) (i32.const 0x100)))))   ;; 0x100: cut
    (if (i32.gt_u (i32.add (i32.load (global.get $LOG_END)) (i32.add (local.get $n) (i32.const 8))) (global.get $SETTINGS)) (then
      (drop (call $door (i32.const 1))) (i32.store (global.get $LOG_END) (global.get $LOG))))
    (local.set $at (i32.load (global.get $LOG_END)))
    (i32.store (local.get $at) (local.get $mark)) (i32.store offset=4 (local.get $at) (local.get $n))
    (memory.copy (i32.add (local.get $at) (i32.const 8)) (i32.wrap_i64 (local.get $p)) (local.get $n))
    (i32.store (global.get $LOG_END) (i32.add (i32.add (local.get $at) (i32.const 8)) (local.get $n)))
    (call $free (local.get $p)))
  (func (export "log_trace") (param i64) (call $log (i32.const 0) (local.get 0)))
  (func (export "log_debug") (param i64) (call $log (i32.const 1) (local.get 0)))
  (func (export "log_info") (param i64) (call $log (i32.const 2) (local.get 0)))
  (func (export "log_warn") (param i64) (call $log (i32.const 3) (local.get 0)))
  (func (export "log_error") (param i64) (call $log (i32.const 4) (local.get 0)))
  (func (export "get_log_level") (result i32) (i32.load (global.get $LOG_LEVEL)))

  ;; configuration and variables
  (func $same (param $a i32) (param $b i32) (param $n i32) (result i32)
    (block $differ (loop $next
      (if (i32.eqz (local.get $n)) (then (return (i32.const 1))))
      (br_if $differ (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $next)))
    (i32.const 0))
  (func $copy_out (param $from i32) (param $n i32) (result i64) (local $block i64)
    (local.set $block (call $alloc (i64.extend_i32_u (local.get $n))))
    (memory.copy (i32.wrap_i64 (local.get $block)) (local.get $from) (local.get $n))
    (local.get $block))

  (func (export "config_get") (param $key i64) (result i64) (local $n i32) (local $at i32) (local $key_n i32) (local $value_n i32)
    (local.set $n (call $argument (local.get $key)))
    (if (i32.eqz (local.get $n)) (then (return (i64.const 0))))
    (local.set $at (global.get $SETTINGS))
    (call $free (local.get $key))
    (block $absent (loop $next
      (br_if $absent (i32.ge_u (local.get $at) (i32.load (global.get $SETTINGS_END))))
      (local.set $key_n (i32.load (local.get $at)))
      (local.set $value_n (i32.load offset=4 (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (if (i32.eq (local.get $key_n) (local.get $n)) (then
        (if (call $same (local.get $at) (i32.wrap_i64 (local.get $key)) (local.get $n)) (then
          (return (call $copy_out (i32.add (local.get $at) (local.get $n)) (local.get $value_n)))))))
      (local.set $at (i32.add (local.get $at) (i32.add (local.get $key_n) (local.get $value_n))))
      (br $next)))
    (i64.const 0))

  (func $find_var (param $key i32) (param $n i32) (result i32) (local $at i32)      ;; the entry, or 0
    (local.set $at (i32.load (global.get $SETTINGS_END)))
    (block $absent (loop $next
      (br_if $absent (i32.ge_u (local.get $at) (i32.load (global.get $VARS_END))))
      (if (i32.eq (i32.load offset=4 (local.get $at)) (local.get $n)) (then
        (if (call $same (i32.add (local.get $at) (i32.const 16)) (local.get $key) (local.get $n)) (then (return (local.get $at))))))
      (local.set $at (i32.add (local.get $at) (i32.load (local.get $at))))
      (br $next)))
    (i32.const 0))
  (func (export "var_get") (param $key i64) (result i64) (local $n i32) (local $at i32)
    (local.set $n (call $argument (local.get $key)))
    (if (i32.eqz (local.get $n)) (then (return (i64.const 0))))
    (local.set $at (call $find_var (i32.wrap_i64 (local.get $key)) (local.get $n)))
    (call $free (local.get $key))
    (if (i32.eqz (local.get $at)) (then (return (i64.const 0))))
    (call $copy_out (i32.add (i32.add (local.get $at) (i32.const 16)) (local.get $n)) (i32.load offset=8 (local.get $at))))
  (func (export "var_set") (param $key i64) (param $value i64) (local $key_n i32) (local $n i32) (local $at i32)
    (local.set $key_n (call $argument (local.get $key)))
    (local.set $n (call $argument (local.get $value)))
    (if (i32.eqz (local.get $key_n)) (then (return)))
    (local.set $at (call $find_var (i32.wrap_i64 (local.get $key)) (local.get $key_n)))
    (if (i32.and (i32.ne (local.get $at) (i32.const 0)) (i32.eqz (local.get $n))) (then
      (i32.store offset=4 (local.get $at) (i32.const 0))))
    (if (local.get $n) (then
      (if (local.get $at) (then
        (if (i32.gt_u (local.get $n) (i32.sub (i32.load (local.get $at)) (i32.add (i32.const 16) (local.get $key_n)))) (then
          (i32.store offset=4 (local.get $at) (i32.const 0))
          (local.set $at (i32.const 0))))))
      (if (i32.eqz (local.get $at)) (then
        (local.set $at (call $new_var (i32.wrap_i64 (local.get $key)) (local.get $key_n) (local.get $n)))))
      (i32.store offset=8 (local.get $at) (local.get $n))
      (memory.copy (i32.add (i32.add (local.get $at) (i32.const 16)) (local.get $key_n)) (i32.wrap_i64 (local.get $value)) (local.get $n))))
    (call $free (local.get $key)) (call $free (local.get $value)))
  (func $new_var (param $key i32) (param $key_n i32) (param $n i32) (result i32) (local $size i64) (local $at i32)
    (local.set $size (i64.and (i64.const -16) (i64.add (i64.const 31)
      (i64.add (i64.extend_i32_u (local.get $key_n)) (i64.extend_i32_u (local.get $n))))))
    (if (call $vars_full (local.get $size)) (then (call $compact_vars)
      (if (call $vars_full (local.get $size)) (then (call $fault (i32.const 3))))))
    (local.set $at (i32.load (global.get $VARS_END)))
    (i32.store (local.get $at) (i32.wrap_i64 (local.get $size)))
    (i32.store offset=4 (local.get $at) (local.get $key_n))
    (memory.copy (i32.add (local.get $at) (i32.const 16)) (local.get $key) (local.get $key_n))
    (i32.store (global.get $VARS_END) (i32.add (local.get $at) (i32.wrap_i64 (local.get $size))))
    (local.get $at))
  (func $vars_full (param $size i64) (result i32)
    (i64.gt_u (i64.add (i64.load32_u (global.get $VARS_END)) (local.get $size)) (i64.load32_u (global.get $VARS_LIMIT))))
  (func $compact_vars (local $from i32) (local $to i32) (local $size i32) (local $kept i32)
    (local.set $from (i32.load (global.get $SETTINGS_END)))
    (local.set $to (local.get $from))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $from) (i32.load (global.get $VARS_END))))
      (local.set $size (i32.load (local.get $from)))
      (if (i32.load offset=4 (local.get $from)) (then
        ;; an entry whose value has shrunk gives the rest back
        (local.set $kept (i32.and (i32.const -16) (i32.add (i32.const 31)
          (i32.add (i32.load offset=4 (local.get $from)) (i32.load offset=8 (local.get $from))))))
        (memory.copy (local.get $to) (local.get $from) (local.get $kept))
        (i32.store (local.get $to) (local.get $kept))
        (local.set $to (i32.add (local.get $to) (local.get $kept)))))
      (local.set $from (i32.add (local.get $from) (local.get $size)))
      (br $next)))
    (i32.store (global.get $VARS_END) (local.get $to)))
)
