//! What a dataplane owes its users, be it the kernel or the fake.

use svc_nft::*;

type Demand = fn(&mut dyn Dataplane);

pub(crate) const DEMANDS: &[(&str, Demand)] = &[
    ("lists_what_was_loaded", lists_what_was_loaded),
    ("loading_again_is_refused_only_for_new_rules", loading_again),
    ("names_what_is_missing", names_what_is_missing),
    ("a_refused_command_leaves_nothing_applied", refused_command_leaves_nothing),
    ("create_refuses_what_exists", create_refuses_what_exists),
    ("a_chain_stays_where_it_is", a_chain_stays_where_it_is),
    ("keeps_what_is_referred_to", keeps_what_is_referred_to),
    ("elements_come_and_go", elements_come_and_go),
    ("names_the_element_at_fault", names_the_element_at_fault),
    ("intervals_may_not_overlap", intervals_may_not_overlap),
    ("a_full_set_takes_no_more", full_set),
    ("types_have_to_fit", types_have_to_fit),
    ("rules_have_handles", rules_have_handles),
    ("flush_empties", flush_empties),
    ("destroy_is_content_with_nothing", destroy_is_content_with_nothing),
    ("nat_only_where_it_belongs", nat_only_where_it_belongs),
    ("an_empty_batch_does_nothing", empty_batch),
    ("a_batch_planned_on_an_older_generation_is_refused", older_generation),
];

fn id() -> TableId {
    TableId::new(Family::Ip, "t")
}

fn ip(last: u8) -> Value {
    Value::Ipv4([10, 0, 0, last].into())
}

fn addresses() -> Set {
    Set::new("addresses", DataType::Ipv4Addr)
}

fn verdicts() -> Set {
    Set::vmap("verdicts", DataType::Ipv4Addr)
}

/// A table with a set, a map and two chains.
fn table() -> Table {
    Table::with_id(id())
        .set(addresses().element(Element::new(ip(1))))
        .set(verdicts().element(Element::mapping(ip(1), Verdict::goto("target"))))
        .chain(Chain::regular("target").rule([Statement::counter()]))
        .chain(
            Chain::base("input", ChainType::Filter, Hook::Input, Priority::FILTER)
                .rule([Statement::lookup([Expr::IpSaddr], "addresses"), Statement::drop()])
                .rule([Statement::vmap([Expr::IpSaddr], "verdicts")]),
        )
}

fn loaded(kernel: &mut dyn Dataplane) {
    kernel.apply(Batch::new().load(&table())).expect("a fresh table");
}

fn listed(kernel: &mut dyn Dataplane) -> Table {
    kernel.list_table(&id()).expect("a listing").expect("the table")
}

fn lists_what_was_loaded(kernel: &mut dyn Dataplane) {
    assert_eq!(kernel.list_table(&id()), Ok(None));
    loaded(kernel);
    assert_eq!(listed(kernel), table());
    assert_eq!(kernel.list_tables(), Ok(vec![id()]));
    assert_eq!(kernel.list_table(&TableId::new(Family::Ip6, "t")), Ok(None));
    kernel.apply(Batch::new().delete_table(&id())).expect("delete");
    assert_eq!(kernel.list_tables(), Ok(vec![]));
}

fn loading_again(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    let mut headers = table();
    for chain in table().chains() {
        headers.insert_chain(chain.header());
    }
    kernel.apply(Batch::new().load(&headers)).expect("everything is there already");
    assert_eq!(listed(kernel), table());
}

fn names_what_is_missing(kernel: &mut dyn Dataplane) {
    let refused = |kernel: &mut dyn Dataplane, batch: &Batch| {
        let error = kernel.apply(batch).expect_err("refused");
        assert!(error.is_not_found(), "{error}");
        error.object().to_owned()
    };
    assert_eq!(refused(kernel, Batch::new().delete_table(&id())), "ip t");
    assert_eq!(refused(kernel, Batch::new().add_chain(&id(), &Chain::regular("c"))), "ip t c");
    loaded(kernel);
    assert_eq!(refused(kernel, Batch::new().delete_chain(&id(), "c")), "ip t c");
    assert_eq!(refused(kernel, Batch::new().flush_chain(&id(), "c")), "ip t c");
    assert_eq!(refused(kernel, Batch::new().delete_set(&id(), &Set::new("s", DataType::Mark))), "ip t s");
    assert_eq!(refused(kernel, Batch::new().add_rule(&id(), "c", [Statement::drop()])), "ip t c drop");
    assert_eq!(
        refused(kernel, Batch::new().add_rule(&id(), "input", [Statement::jump("c")])),
        "ip t input jump c"
    );
    let lookup = [Statement::lookup([Expr::IpDaddr], "s")];
    assert_eq!(refused(kernel, Batch::new().add_rule(&id(), "input", lookup)), "ip t input ip daddr @s");
    let to_nowhere = Element::mapping(ip(2), Verdict::goto("c"));
    let missing = refused(kernel, Batch::new().add_elements(&id(), &verdicts(), [to_nowhere]));
    assert_eq!(missing, "ip t verdicts { 10.0.0.2 : goto c }");
    let missing = refused(kernel, Batch::new().delete_elements(&id(), &addresses(), [ip(9).into()]));
    assert_eq!(missing, "ip t addresses { 10.0.0.9 }");
    assert_eq!(refused(kernel, Batch::new().delete_rule(&id(), "input", 12_345)), "ip t input handle 12345");
    assert_eq!(listed(kernel), table());
}

fn refused_command_leaves_nothing(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    let mut batch = Batch::new();
    batch
        .add_chain(&id(), &Chain::regular("new"))
        .add_elements(&id(), &addresses(), [Element::new(ip(2))])
        .add_rule(&id(), "nowhere", [Statement::drop()])
        .flush_chain(&id(), "input");
    let error = kernel.apply(&batch).expect_err("refused");
    assert!(error.is_not_found());
    assert_eq!(error.command(), Some(2));
    assert_eq!(error.operation(), "add rule");
    assert_eq!(error.object(), "ip t nowhere drop");
    assert_eq!(listed(kernel), table());
}

fn create_refuses_what_exists(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    let element = Element::new(ip(1));
    let batches = [
        Batch::new().create_table(&id()).clone(),
        Batch::new().create_chain(&id(), &Chain::regular("target")).clone(),
        Batch::new().create_set(&id(), &addresses()).clone(),
        Batch::new().create_elements(&id(), &addresses(), [element]).clone(),
        Batch::new().add_elements(&id(), &verdicts(), [Element::mapping(ip(1), Verdict::Drop)]).clone(),
        Batch::new().add_set(&id(), &Set::new("addresses", DataType::Mark)).clone(),
    ];
    for batch in batches {
        let error = kernel.apply(&batch).expect_err("refused");
        assert!(error.is_exists(), "{error}");
    }
    assert_eq!(listed(kernel), table());
}

fn a_chain_stays_where_it_is(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    for moved in [
        Chain::base("input", ChainType::Filter, Hook::Output, Priority::FILTER),
        Chain::base("input", ChainType::Filter, Hook::Input, Priority::SECURITY),
        Chain::base("target", ChainType::Filter, Hook::Input, Priority::FILTER),
    ] {
        let error = kernel.apply(Batch::new().add_chain(&id(), &moved)).expect_err("refused");
        // Linux 6.1 says that it exists.
        assert!(error.errno() == Some(95) || error.is_exists(), "{error}");
    }
    let stricter =
        Chain::base("input", ChainType::Filter, Hook::Input, Priority::FILTER).policy(Policy::Drop);
    kernel.apply(Batch::new().add_chain(&id(), &stricter)).expect("another policy");
    let listed = listed(kernel);
    assert_eq!(listed.find_chain("input").and_then(Chain::hook), stricter.hook());
}

fn keeps_what_is_referred_to(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    for batch in [
        Batch::new().delete_chain(&id(), "target"),
        Batch::new().delete_set(&id(), &verdicts()),
        Batch::new().delete_set(&id(), &addresses()),
    ] {
        let error = kernel.apply(batch).expect_err("refused");
        assert!(error.is_busy(), "{error}");
    }
    let mut batch = Batch::new();
    batch
        .flush_chain(&id(), "input")
        .delete_set(&id(), &verdicts())
        .delete_set(&id(), &addresses())
        .delete_chain(&id(), "target")
        .delete_chain(&id(), "input");
    kernel.apply(&batch).expect("nothing refers to them any more");
    assert_eq!(listed(kernel), Table::with_id(id()));
}

fn elements_come_and_go(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    let mut batch = Batch::new();
    batch
        .delete_elements(&id(), &verdicts(), [ip(1).into()])
        .add_elements(&id(), &verdicts(), [Element::mapping(ip(1), Verdict::Drop)])
        .add_elements(&id(), &addresses(), [Element::new(ip(3)), Element::new(ip(2))]);
    kernel.apply(&batch).expect("elements");
    let listed = listed(kernel);
    let verdict = listed.find_set("verdicts").and_then(|set| set.get(&ip(1).into())).and_then(Element::data);
    assert_eq!(verdict, Some(&Data::Verdict(Verdict::Drop)));
    let keys: Vec<_> =
        listed.find_set("addresses").expect("set").elements().map(|e| e.key().to_string()).collect();
    assert_eq!(keys, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    kernel.apply(Batch::new().delete_chain(&id(), "target")).expect("the element that led there is gone");
}

fn names_the_element_at_fault(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    let elements = (2..=200).map(|last| match last {
        150 => Element::mapping(ip(last), Verdict::goto("nowhere")),
        _ => Element::mapping(ip(last), Verdict::Drop),
    });
    let error = kernel.apply(Batch::new().add_elements(&id(), &verdicts(), elements)).expect_err("refused");
    assert_eq!(error.object(), "ip t verdicts { 10.0.0.150 : goto nowhere }");
    assert!(
        error
            .to_string()
            .starts_with("add element ip t verdicts { 10.0.0.150 : goto nowhere }: No such file")
    );
}

fn intervals_may_not_overlap(kernel: &mut dyn Dataplane) {
    let net = |text: &str| Element::new(Value::from(text.parse::<ipnet::IpNet>().expect("a network")));
    let set = Set::new("nets", DataType::Ipv4Addr).flag(SetFlag::Interval);
    let wanted = Table::with_id(id()).set(set.clone().element(net("10.0.0.0/8")).element(net("11.0.0.0/8")));
    kernel.apply(Batch::new().load(&wanted)).expect("neighbours");
    let error =
        kernel.apply(Batch::new().add_elements(&id(), &set, [net("10.1.0.0/16")])).expect_err("refused");
    assert!(error.is_exists(), "{error}");
    assert_eq!(error.object(), "ip t nets { 10.1.0.0/16 }");
    assert_eq!(listed(kernel), wanted);
    let delete = |text| Batch::new().delete_elements(&id(), &set, [net(text).key().clone()]).clone();
    kernel.apply(&delete("10.0.0.0/8")).expect("delete");
    assert_eq!(listed(kernel), Table::with_id(id()).set(set.clone().element(net("11.0.0.0/8"))));
}

fn full_set(kernel: &mut dyn Dataplane) {
    let set = Set::new("small", DataType::Ipv4Addr).size(2);
    kernel.apply(Batch::new().load(&Table::with_id(id()).set(set.clone()))).expect("a set");
    let three = [1, 2, 3].map(|last| Element::new(ip(last)));
    let error = kernel.apply(Batch::new().add_elements(&id(), &set, three)).expect_err("refused");
    assert_eq!((error.errno(), error.object()), (Some(23), "ip t small { 10.0.0.3 }"));
    assert_eq!(listed(kernel), Table::with_id(id()).set(set));
}

fn types_have_to_fit(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    for batch in [
        Batch::new().add_elements(&id(), &addresses(), [Element::new(80)]),
        Batch::new().add_elements(&id(), &addresses(), [Element::mapping(ip(2), Verdict::Drop)]),
        Batch::new().add_elements(&id(), &verdicts(), [Element::new(ip(2))]),
        Batch::new().add_elements(
            &id(),
            &addresses(),
            [Element::new(ip(2)).timeout(std::time::Duration::from_secs(1))],
        ),
    ] {
        let error = kernel.apply(batch).expect_err("refused");
        assert_eq!(error.errno(), Some(22), "{error}");
    }
    assert_eq!(listed(kernel), table());
}

fn rules_have_handles(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    let rule = |kernel: &mut dyn Dataplane, at: usize| {
        listed(kernel).find_chain("input").expect("chain").rules()[at].clone()
    };
    let handle = rule(kernel, 0).handle().expect("listed rules have one");
    kernel.apply(Batch::new().replace_rule(&id(), "input", handle, [Statement::accept()])).expect("replace");
    assert_eq!(rule(kernel, 0), Rule::from([Statement::accept()]));
    kernel.apply(Batch::new().insert_rule(&id(), "input", [Statement::counter()])).expect("insert");
    assert_eq!(rule(kernel, 0), Rule::from([Statement::counter()]));
    let handle = rule(kernel, 1).handle().expect("listed rules have one");
    kernel.apply(Batch::new().delete_rule(&id(), "input", handle)).expect("delete");
    assert_eq!(rule(kernel, 1), Rule::from([Statement::vmap([Expr::IpSaddr], "verdicts")]));
}

fn flush_empties(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    kernel.apply(Batch::new().flush_set(&id(), &addresses()).flush_chain(&id(), "target")).expect("flush");
    let now = listed(kernel);
    assert_eq!(now.find_set("addresses"), Some(&addresses()));
    assert!(now.find_chain("target").expect("chain").rules().is_empty());
    assert_eq!(now.find_chain("input").expect("chain").rules().len(), 2);
    kernel.apply(Batch::new().flush_table(&id())).expect("flush");
    assert!(listed(kernel).chains().iter().all(|chain| chain.rules().is_empty()));
}

fn destroy_is_content_with_nothing(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    let mut batch = Batch::new();
    batch
        .destroy_chain(&id(), "nowhere")
        .destroy_set(&id(), &Set::new("nothing", DataType::Mark))
        .destroy_elements(&id(), &addresses(), [ip(9).into(), ip(1).into()])
        .destroy_table(&TableId::new(Family::Ip6, "t"));
    if let Err(error) = kernel.apply(&batch) {
        // Older kernels do not know the verb, and refuse the batch as a whole.
        assert!(error.errno() == Some(22) && linux() < (6, 3), "{error}");
        assert_eq!((error.command(), listed(kernel)), (Some(0), table()));
        return;
    }
    assert_eq!(listed(kernel).find_set("addresses"), Some(&addresses()));
    kernel.apply(Batch::new().destroy_table(&id())).expect("destroy");
    assert_eq!(kernel.list_table(&id()), Ok(None));
}

/// The version of the running kernel.
fn linux() -> (u32, u32) {
    let release = nix::sys::utsname::uname().expect("a name").release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn nat_only_where_it_belongs(kernel: &mut dyn Dataplane) {
    loaded(kernel);
    let error =
        kernel.apply(Batch::new().add_rule(&id(), "input", [Statement::masquerade()])).expect_err("refused");
    assert_eq!(error.errno(), Some(95), "{error}");
    let forward = Chain::base("forward", ChainType::Nat, Hook::Forward, Priority::DSTNAT);
    let error = kernel.apply(Batch::new().add_chain(&id(), &forward)).expect_err("refused");
    assert_eq!(error.errno(), Some(95), "{error}");
    assert_eq!(listed(kernel), table());
}

fn empty_batch(kernel: &mut dyn Dataplane) {
    kernel.apply(&Batch::new()).expect("nothing to do");
    assert_eq!(kernel.list_tables(), Ok(vec![]));
}

fn older_generation(kernel: &mut dyn Dataplane) {
    let before = kernel.generation().expect("a generation");
    loaded(kernel);
    let mut batch = Batch::new();
    batch.delete_table(&id());
    let error = kernel.apply_at(before, &batch).expect_err("somebody came in between");
    assert!(error.is_stale() && error.is_transient(), "{error}");
    assert_eq!(listed(kernel), table());
    let now = kernel.generation().expect("a generation");
    assert_ne!(now, before);
    kernel.apply_at(now, &batch).expect("nobody came in between");
    assert_eq!(kernel.list_table(&id()), Ok(None));
}
