//! The text of a Corefile: it is read or every problem is told, and what it prints means the same.
#![cfg_attr(fuzzing, no_main)]

use svc_dns::corefile::{Corefile, Nowhere};

fuzz::target!(|bytes| {
    if let Ok(corefile) = Corefile::parse("Corefile", &String::from_utf8_lossy(bytes), &Nowhere) {
        let again = Corefile::parse("Corefile", &corefile.to_string(), &Nowhere).expect("what was printed");
        assert_eq!(again.to_string(), corefile.to_string());
        drop(again.plan());
    }
});
