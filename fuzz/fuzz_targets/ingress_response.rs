//! A response of a backend: what our codec takes whole, hyper's client reads as the same message.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(|bytes| {
    fuzz::ingress::compare(bytes);
});
