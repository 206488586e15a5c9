-- secret: Out: the secret of this store, if it has one.
select secret from secrets
