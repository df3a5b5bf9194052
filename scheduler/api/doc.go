// Package api serves the manager's HTTP API and its one page for people.
//
// A handler reads the request, asks the manager, and writes its answer: JSON,
// or the one error shape of worker/wire. The routes are one table, api.go, held
// against the OpenAPI description under deploy/ by a test. What stands before a
// handler (authentication, known hosts, cross-origin requests) and the routes
// that every server of Cube has (/metrics, health) are the caller's.
//
// In this room belongs what knows HTTP on the manager's side. It imports the
// manager, the vocabulary, and worker/client for the query of a task's output.
package api
