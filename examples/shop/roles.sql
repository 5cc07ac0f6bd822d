-- PostgreSQL: who reads, and who writes. Choose other passwords.
create role shop_reader login password 'reading';
create role shop_writer login password 'writing';
grant select on products, orders to shop_reader;
grant select, insert, update, delete on products, orders to shop_writer;
