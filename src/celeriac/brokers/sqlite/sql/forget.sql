-- forget: delete a finished record. In: id.
delete from tasks where id = ? and state >= 4
