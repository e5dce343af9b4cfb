//! A message from a client, as a datagram and on a stream: there is an answer that hickory-proto can read, or none.
#![cfg_attr(fuzzing, no_main)]

use svc_dns::Client;

fuzz::target!(|bytes| {
    fuzz::dns::answer(bytes, Client::udp(fuzz::dns::CLIENT));
    fuzz::dns::answer(bytes, Client::tcp(fuzz::dns::CLIENT));
});
