-- Nobody is there to hear a bell any more. In: its address.
update workers set address = '' where address = ?
