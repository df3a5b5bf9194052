// Package wire holds what travels between Cube's parts over HTTP besides the
// task itself: the one error shape, strict and bounded decoding of request
// bodies, writing of answers, and the shapes of the manager's lists.
//
// Request bodies from people are read strictly: a field that is not known is
// refused, since it is most likely misspelt. A manager and its workers may be
// of different versions, so the clients in this repository ask for tolerance
// with the header "Prefer: handling=lenient" (RFC 7240), and additions are then
// ignored. Answers are always read tolerantly.
//
// In this room belongs what both a server and its client need. It imports
// nothing of Cube but worker/task, and builds on every system.
package wire
