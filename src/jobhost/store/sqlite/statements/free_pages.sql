-- How large the file is, how much of it is free, and whether it can be shortened (2), in pages.
SELECT f.freelist_count, p.page_count, a.auto_vacuum
FROM pragma_freelist_count f, pragma_page_count p, pragma_auto_vacuum a
