//! A request's fields, `name value` a line after the target: what a backend gets is one head, and nobody poses as the router.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(|bytes| {
    fuzz::forwarded::check(&String::from_utf8_lossy(bytes));
});
