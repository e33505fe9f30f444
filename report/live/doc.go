// Package live is the page that shows who has which resource now, until when, and
// when those who wait are expected to be served: [New] makes a handler for package
// net/http, over any store. rtest-report serve serves it.
//
// The pages are HTML that is complete without a script. With the script that comes
// with them they follow the store by server-sent events. /api/v1/snapshot is the same
// as JSON, /metrics in the OpenMetrics format, /healthz says whether the server runs.
//
// # What it costs the store
//
// One look at the store (lockcore.Locker.Snapshot) serves everybody. There is at most
// one a second, however many browsers look, and none while nobody does. When the store
// cannot be asked, the next look comes after 1 s, then 2, 4, 8 and at most 10 s. Pages
// show what was seen last meanwhile, how old that is, and the error.
//
//	12:00:00  a browser opens the page   one look; the page
//	12:00:01  it has an event stream     one look a second from now on
//	12:00:09  199 more browsers          still one look a second
//	12:05:00  all tabs are closed        none
//
// # What bounds it
//
// Event streams: [Options.StreamsMost]; each ends after 15 minutes, and browsers then
// open the next. A client that does not take what is sent to it loses its connection
// after 10 s. Request bodies: 64 KiB. Requests that wait in line on behalf of people:
// 5 a person, 100 in all. Histories: see [History]. Rendered pages: those of the last
// look, 64 at most. The limits on headers and time are those of the http.Server, which
// [Server.Harden] sets; how many connections there are is up to the listener.
//
// # Threats
//
// DNS rebinding: a page of somebody else's, in the browser of a person who can reach
// the server, lets its own name point to the server's address and then reads the page
// as its own. So the name in the Host header must be an address, localhost, or listed
// in [Options.Hosts]; all else is refused with 421.
//
// Cross-site scripting: names of tests, keys, reasons and addresses of jobs come from
// whoever uses the store. All go through html/template, control characters and those
// that turn the direction of text are shown as Go writes them, an address is a link
// only if it is http or https, and the Content-Security-Policy allows no script and
// style but the two files of this package, no frame, no form to elsewhere.
//
// Open redirects: after an action the browser is sent to a page of this server, by a
// relative address that is made here; nothing that a request says is its beginning.
//
// Cross-site requests: an action is a POST with a token that belongs to the cookie
// of the browser and the name of the person; the cookie is SameSite=Lax, so that no
// browser sends it with a form of another site. A browser that says that the request
// comes from another site is refused before that. There is no action by GET.
//
// Who acts: without [Options.Access] nobody. With a token file, whoever knows a token
// acts under the name beside it in the file. With a header of a proxy, the name is
// what the proxy says; the header counts only on connections from
// its TrustedProxies. Tokens are compared in constant time, attempts are limited
// to 10 a minute and address, actions to 30 a minute and person. Every action that did
// something to a resource is given to its Record with the name. To withdraw a request that
// waits does nothing to one.
//
// What a reader learns: whoever can open the page sees the names of tests, packages,
// machines, persons and resources, reasons, and addresses of jobs. It shows no
// password: addresses of stores are shown without. Fencing tokens are shown; they are
// no secret, since a store never accepts one as a proof. Put a proxy that asks for a
// password before the server where that is too much, and keep it on a loopback address
// otherwise, which is the default of the command.
package live
