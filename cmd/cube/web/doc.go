// Package web is what stands between a socket and the handlers of a worker or a
// manager: listeners, the web configuration (TLS, basic authentication), the
// guard against requests that a browser or another local user was tricked into
// or should not make, the write token and where it is kept, the roles, the audit
// of writes, health and readiness.
//
// Every server that Cube opens is opened here, so that there is one place to
// read for what may reach a handler. It knows no worker and no manager, and
// imports nothing of Cube but worker/wire for the one error shape.
package web
