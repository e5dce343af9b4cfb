//! The text of a manifest file: every document is an object, a problem, or ignored, and what is read can be written.
#![cfg_attr(fuzzing, no_main)]

use svc_model::yaml;

fuzz::target!(|bytes| {
    let manifests = yaml::read(&String::from_utf8_lossy(bytes));
    for object in manifests.stored().0 {
        let (again, problems) = yaml::read(&yaml::write(&object)).stored();
        assert!(problems.is_empty() && again == [object], "{problems:?}");
    }
});
