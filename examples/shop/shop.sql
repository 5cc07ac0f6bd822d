-- For SQLite and for PostgreSQL.
create table products (
    sku varchar(20) primary key,
    name varchar(100) not null,
    kind varchar(20) not null,
    cents integer not null check (cents >= 0),
    stock integer not null default 0,
    changes integer not null default 0
);

create table orders (
    number varchar(20) primary key,
    sku varchar(20) not null references products (sku),
    pieces integer not null check (pieces > 0),
    customer varchar(100) not null
);

insert into products (sku, name, kind, cents, stock) values
    ('tea-01', 'Assam, 100 g', 'tea', 690, 40),
    ('tea-02', 'Sencha, 100 g', 'tea', 940, 12),
    ('cup-01', 'Cup, white', 'cup', 1250, 8),
    ('cup-02', 'Cup, blue', 'cup', 1450, 0);

insert into orders (number, sku, pieces, customer) values
    ('2026-0001', 'tea-01', 2, 'Ada'),
    ('2026-0002', 'cup-01', 4, 'Grace');
