-- report: add to the children of a task that is held; those that are known stay where they are.
-- In: ids (JSON array), id.
update tasks set children = (
    select json_group_array(child) from (
        select value as child from json_each(tasks.children)
        union all
        select value from json_each(?) where value not in (select value from json_each(tasks.children))
    )
)
where seq = (select seq from messages where id = ?)
