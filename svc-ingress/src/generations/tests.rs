use super::Generations;

#[test]
fn what_is_used_stays_and_the_rest_is_forgotten() {
    let mut map = Generations::new(8);
    map.insert("kept", 1);
    for number in 0..100 {
        assert_eq!(map.get_mut("kept"), Some(&mut 1), "{number}");
        map.insert(if number % 2 == 0 { "a" } else { "b" }, number);
        map.insert(["c", "d", "e", "f", "g"][number % 5], number);
        assert!(map.len() <= 8);
    }
    let mut map = Generations::new(8);
    map.insert(0, 0);
    for number in 1..9 {
        map.insert(number, number);
    }
    assert_eq!(map.get_mut(0), None);
    assert_eq!(map.get_mut(8), Some(&mut 8));
}

#[test]
fn an_entry_is_put_once() {
    let mut map = Generations::new(4);
    assert!(map.is_empty());
    map.insert("a", 1);
    map.insert("b", 1);
    map.insert("c", 1);
    *map.insert("a", 2) += 1;
    assert_eq!(map.get_mut("a"), Some(&mut 3));
    assert_eq!(map.len(), 3);
}
