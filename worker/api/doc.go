// Package api serves a worker over HTTP: its tasks, their output, and the
// machine's figures as JSON.
//
//	GET    /tasks?state=&since=&wait=   the tasks; waits for a change if asked to
//	POST   /tasks                       an event: start or stop a task
//	GET    /tasks/{taskID}              one task
//	DELETE /tasks/{taskID}?allocation=  stop it
//	GET    /tasks/{taskID}/logs         its output, streamed
//	GET    /stats                       the machine's figures
//
// Errors, those of unknown routes and methods included, have the one shape of
// worker/wire. The values of Env are masked in every answer.
//
// In this room belongs the translation between HTTP and the worker. Listeners,
// authentication, the check of Host and Origin, /metrics and the health pages are
// mounted around it by cmd/cube. It imports worker and worker/wire, no runtime
// and no store.
package api
