-- listener: be rung for news. In: address.
insert into listeners (address) values (?) on conflict do nothing
