//! A page of another Service in place of an error.

use http::request::Parts;
use http::{Method, Request, Response};

use crate::driver::asked::Asked;
use crate::driver::policy::Permit;
use crate::driver::reply::ReplyBody;
use crate::driver::router::Router;
use crate::error_page;
use crate::sys::Connect;
use crate::table::Route;

use super::{Outgoing, ask, respond};

/// Endpoints of the Service with the pages that are asked.
const MAX_TRIES: usize = 2;

/// The page for a reply that is to have one, else the reply itself; so too if no page can be had.
pub(in crate::driver) async fn in_place<C: Connect>(
    router: &Router<C>,
    route: &Route,
    permit: &Permit,
    parts: &Parts,
    asked: &Asked,
    (reply, of_backend): (Response<ReplyBody<C::Stream>>, bool),
) -> Response<ReplyBody<C::Stream>> {
    let Some(pages) = route.policies().error_pages() else { return reply };
    let unserved = permit.pool(route).endpoints().is_empty();
    if !error_page::wanted(pages, reply.status(), of_backend, unserved) {
        return reply;
    }
    let location = route.location().error_backend().cloned();
    let Some(source) = location.map(Route::to).or_else(|| router.table.load().default_route()) else {
        return reply;
    };
    let (mut request, ()) = Request::new(()).into_parts();
    request.method = if parts.method == Method::HEAD { Method::HEAD } else { Method::GET };
    request.headers =
        error_page::fields(reply.status(), route.location(), asked.target.as_str(), &parts.headers);
    let mut outgoing = Outgoing::bodiless(&mut request, "/", asked.host());
    for endpoint in source.location().pool().in_turn().take(MAX_TRIES) {
        match ask(router, &mut outgoing, &source, endpoint).await {
            Ok(answered) => {
                let mut page = respond(&mut outgoing, &source, endpoint, answered, asked);
                *page.status_mut() = error_page::status(reply.status(), page.status());
                error_page::keep(reply.headers(), page.headers_mut());
                return page;
            }
            Err(failure) => tracing::debug!(%endpoint, error = %failure, "no error page"),
        }
        if !outgoing.rewind() {
            break;
        }
    }
    reply
}
