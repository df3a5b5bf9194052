package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"cube/worker/task"
)

// MaxBody is the most bytes that a request's body may have.
const MaxBody = 1 << 20

// Lenient is what a client puts into the header Prefer to have additions in
// its request ignored rather than refused (RFC 7240, section 4.4).
const Lenient = "handling=lenient"

// DeltaBase is the header of a worker's list of tasks that has only what changed
// after a generation, and names that generation (RFC 3229, section 10.5.1).
const DeltaBase = "Delta-Base"

// Decode reads the one JSON value of a request's body into v. The body must be
// declared application/json, be no longer than [MaxBody] and hold nothing after
// the value; a field that v does not have is refused unless the request prefers
// lenient handling. The error is an [*Error].
func Decode(r *http.Request, v any) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	return Unmarshal(body, v, IsLenient(r))
}

// IsLenient reports whether the request asks for additions to be ignored.
func IsLenient(r *http.Request) bool {
	for _, preference := range r.Header.Values("Prefer") {
		if strings.Contains(preference, Lenient) {
			return true
		}
	}
	return false
}

func readBody(r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, New(CodeUnsupportedMedia, "the Content-Type is %q; want application/json", r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, New(CodeTooLarge, "the body is longer than %d bytes", MaxBody)
	}
	if err != nil {
		return nil, New(CodeBadRequest, "the body could not be read: %v", err)
	}
	return body, nil
}

// Unmarshal reads exactly one JSON value into v, which is zero. The error is an
// [*Error].
func Unmarshal(body []byte, v any, lenient bool) error {
	if event, ok := v.(*task.Event); ok {
		if readEvent(body, event) {
			return nil
		}
		*event = task.Event{}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if !lenient {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(v); err != nil {
		return describe(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return New(CodeBadRequest, "the body holds more than one JSON value")
	}
	return nil
}

// describe turns an error of encoding/json into a sentence that names the
// field or the place.
func describe(err error) *Error {
	var (
		syntax  *json.SyntaxError
		typeErr *json.UnmarshalTypeError
	)
	const unknown = "json: unknown field "
	switch {
	case errors.Is(err, io.EOF):
		return New(CodeBadRequest, "the body is empty; want a JSON object")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return New(CodeBadRequest, "the JSON is cut off")
	case errors.As(err, &syntax):
		return New(CodeBadRequest, "not JSON: %v, at byte %d", syntax, syntax.Offset)
	case errors.As(err, &typeErr):
		return New(CodeInvalid, "%s: a JSON %s does not fit; want %s", fieldOr(typeErr.Field, "the body"), typeErr.Value, shapeOf(typeErr.Type)).
			WithField(typeErr.Field)
	case strings.HasPrefix(err.Error(), unknown):
		field := strings.Trim(strings.TrimPrefix(err.Error(), unknown), `"`)
		return New(CodeInvalid, "%s: there is no such field", field).WithField(field)
	default:
		return New(CodeInvalid, "%v", err)
	}
}

// shapeOf says what is written in JSON for a type.
func shapeOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return shapeOf(t.Elem())
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number within " + t.Kind().String()
	}
}

func fieldOr(field, other string) string {
	if field == "" {
		return other
	}
	return field
}

// TaskBody is one task of a request's body, or why it is none.
type TaskBody struct {
	Task *task.Task
	Err  error
}

// DecodeTasks reads what a manager's POST /tasks takes: a Task, or the book's
// Event around one, which is told by its member "Task"; or a list of those, up
// to [MaxTasks], of which each is read by itself. isList tells the two apart.
func DecodeTasks(r *http.Request) (tasks []TaskBody, isList bool, err error) {
	body, err := readBody(r)
	if err != nil {
		return nil, false, err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		t, err := UnmarshalTask(body, IsLenient(r))
		return []TaskBody{{t, nil}}, false, err
	}
	var items []json.RawMessage
	if err := Unmarshal(body, &items, true); err != nil {
		return nil, true, err
	}
	switch {
	case len(items) == 0:
		return nil, true, New(CodeInvalid, "the list is empty; want a task, or up to %d of them", MaxTasks)
	case len(items) > MaxTasks:
		return nil, true, New(CodeTooLarge, "the list has %d tasks; send at most %d at a time", len(items), MaxTasks)
	}
	tasks = make([]TaskBody, len(items))
	for i, item := range items {
		tasks[i].Task, tasks[i].Err = UnmarshalTask(item, IsLenient(r))
	}
	return tasks, true, nil
}

// UnmarshalTask reads a Task, or the book's Event around one; see
// [task.Event.TaskID] for the ID of the event's task.
func UnmarshalTask(body []byte, lenient bool) (*task.Task, error) {
	if t := new(task.Task); readTask(body, t) {
		return t, nil
	}
	isEvent := false
	if bytes.Contains(body, []byte(`"Task"`)) { // as a member, or in some value
		var members map[string]json.RawMessage
		if err := Unmarshal(body, &members, true); err != nil {
			return nil, err
		}
		_, isEvent = members["Task"]
	}
	if !isEvent {
		if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
			return nil, New(CodeBadRequest, "the body is null; want a JSON object")
		}
		var t task.Task
		if err := Unmarshal(body, &t, lenient); err != nil {
			return nil, err
		}
		return &t, nil
	}
	var event task.Event
	if err := Unmarshal(body, &event, lenient); err != nil {
		return nil, err
	}
	switch event.State {
	case task.Pending, task.Scheduled, task.Running:
		event.Task.ID = event.TaskID()
		return &event.Task, nil
	}
	return nil, New(CodeInvalid, "State: an event here asks for running, not %s; DELETE stops a task", event.State).WithField("State")
}
