package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"cube/worker/task"
)

// Code names a kind of error for programs. Each has one HTTP status, in the
// table below.
type Code string

// The codes that Cube's APIs answer with.
const (
	CodeBadRequest        Code = "bad_request"        // not JSON, or not of the right shape
	CodeInvalid           Code = "invalid"            // a field's value cannot be
	CodeUnauthorized      Code = "unauthorized"       // no token, password or certificate, or a wrong one
	CodeForbidden         Code = "forbidden"          // who asks is known, and may not
	CodeForbiddenHost     Code = "forbidden_host"     // the Host header names no address of ours
	CodeCrossOrigin       Code = "cross_origin"       // a web page of another origin asks
	CodeNotFound          Code = "not_found"          // no such task, node or route
	CodeNoDecision        Code = "no_decision"        // the task was not decided on yet
	CodeMethodNotAllowed  Code = "method_not_allowed" // the route is there, not for this method
	CodeIllegalTransition Code = "illegal_transition" // the table of states does not allow it
	CodeNoRoom            Code = "no_room"            // more than allocatable less what is promised
	CodeEventConflict     Code = "event_conflict"     // the same event ID with another body
	CodeStaleAllocation   Code = "stale_allocation"   // a newer allocation has been seen
	CodeTooLarge          Code = "too_large"          // the body is over the bound
	CodeUnsupportedMedia  Code = "unsupported_media"  // Content-Type is not application/json
	CodeInternal          Code = "internal"           // a fault of ours
	CodeWorkerUnreachable Code = "worker_unreachable" // the manager cannot reach the task's worker
	CodeUnavailable       Code = "unavailable"        // shutting down, or the store or runtime is not usable
)

var statusOf = map[Code]int{
	CodeBadRequest:        http.StatusBadRequest,
	CodeInvalid:           http.StatusBadRequest,
	CodeUnauthorized:      http.StatusUnauthorized,
	CodeForbidden:         http.StatusForbidden,
	CodeForbiddenHost:     http.StatusForbidden,
	CodeCrossOrigin:       http.StatusForbidden,
	CodeNotFound:          http.StatusNotFound,
	CodeNoDecision:        http.StatusNotFound,
	CodeMethodNotAllowed:  http.StatusMethodNotAllowed,
	CodeIllegalTransition: http.StatusConflict,
	CodeNoRoom:            http.StatusConflict,
	CodeEventConflict:     http.StatusConflict,
	CodeStaleAllocation:   http.StatusConflict,
	CodeTooLarge:          http.StatusRequestEntityTooLarge,
	CodeUnsupportedMedia:  http.StatusUnsupportedMediaType,
	CodeInternal:          http.StatusInternalServerError,
	CodeWorkerUnreachable: http.StatusBadGateway,
	CodeUnavailable:       http.StatusServiceUnavailable,
}

// Error is the one shape of an error on the wire.
type Error struct {
	HTTPStatusCode int
	Code           Code
	Message        string // one sentence for people
	Field          string `json:",omitempty"` // the field at fault
}

// Error returns the message for people.
func (e *Error) Error() string { return e.Message }

// Is reports whether target is an [*Error] with the same Code, so that
// errors.Is(err, wire.New(code, "")) asks for a kind.
func (e *Error) Is(target error) bool {
	var other *Error
	return errors.As(target, &other) && other.Code == e.Code
}

// New returns an error with the code's status.
func New(code Code, format string, args ...any) *Error {
	status, known := statusOf[code]
	if !known {
		status = http.StatusInternalServerError
	}
	return &Error{HTTPStatusCode: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithField returns e with the field at fault named.
func (e *Error) WithField(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// AsError turns any error into the one shape: a wire error as it is, a task's
// validation and transition errors with their codes, anything else "internal".
func AsError(err error) *Error {
	var (
		wired      *Error
		validation *task.ValidationError
		transition *task.TransitionError
	)
	switch {
	case errors.As(err, &wired):
		return wired
	case errors.As(err, &validation):
		return New(CodeInvalid, "%s", validation.Error()).WithField(validation.Field)
	case errors.As(err, &transition):
		return New(CodeIllegalTransition, "%s", transition.Error()).WithField("State")
	default:
		return New(CodeInternal, "%s", err.Error())
	}
}

// maxErrorBody bounds what a client reads of an error's body.
const maxErrorBody = 64 << 10

// ReadError reads an answer that is not a success into an [*Error]. A body
// that is not of the one shape (a proxy's page, say) is quoted in part. It does
// not close the body.
func ReadError(response *http.Response) *Error {
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	var e Error
	if err := json.Unmarshal(body, &e); err == nil && e.Code != "" && e.Message != "" {
		e.HTTPStatusCode = response.StatusCode
		return &e
	}
	text := string(body)
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	e = *New(CodeInternal, "%s: %q", response.Status, text)
	e.HTTPStatusCode = response.StatusCode
	if response.StatusCode == http.StatusUnauthorized {
		e.Code = CodeUnauthorized
	}
	return &e
}
