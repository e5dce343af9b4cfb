use proptest::prelude::*;

use super::*;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.:/{}()\"#\\\\ \n]{0,12}",
        Just("import".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("(a)".to_owned()),
        Just("a".to_owned()),
        Just("\n".to_owned()),
        prop::sample::select(Directives::all().map(|(name, ..)| name.to_owned()).collect::<Vec<_>>()),
        prop::sample::select(vec![".", "cluster.local", "10.0.0.1", "regex", "name", "30", "fallthrough"])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_or_told_and_what_is_printed_means_the_same(words in prop::collection::vec(word(), 0..60)) {
        let text = words.join(" ");
        if let Ok(corefile) = Corefile::parse("Corefile", &text, &Nowhere) {
            drop(corefile.plan());
            let printed = corefile.to_string();
            let again = Corefile::parse("Corefile", &printed, &Nowhere);
            let again = again.map_err(|problems| TestCaseError::fail(format!("{problems}\n{printed}")))?;
            prop_assert_eq!(again.to_string(), printed);
        }
    }
}
