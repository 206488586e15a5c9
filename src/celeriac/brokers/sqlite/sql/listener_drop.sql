-- listener: be rung no more. In: address.
delete from listeners where address = ?
