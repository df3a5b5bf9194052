package wire

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cube/worker/task"
)

func post(body, contentType, prefer string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/tasks", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if prefer != "" {
		r.Header.Set("Prefer", prefer)
	}
	return r
}

func TestDecodeRefusals(t *testing.T) {
	const json = "application/json"
	for name, test := range map[string]struct {
		body, contentType, prefer string
		code                      Code
		field, says               string
	}{
		"empty":             {"", json, "", CodeBadRequest, "", "empty"},
		"not JSON":          {"{", json, "", CodeBadRequest, "", "cut off"},
		"syntax":            {"{]", json, "", CodeBadRequest, "", "byte 2"},
		"two values":        {"{}{}", json, "", CodeBadRequest, "", "more than one"},
		"null":              {"null", json, "", CodeBadRequest, "", "null"},
		"number":            {"5", json, "", CodeInvalid, "", "the body: a JSON number does not fit; want an object"},
		"string":            {`"a"`, json, "", CodeInvalid, "", "want an object"},
		"list for a string": {`{"Name":[]}`, json, "", CodeInvalid, "Name", "want a string"},
		"string for a list": {`{"Env":"A=1"}`, json, "", CodeInvalid, "Env", "want a list"},
		"half a restart":    {`{"RestartCount":0.5}`, json, "", CodeInvalid, "RestartCount", "want a whole number"},
		"empty list":        {" []", json, "", CodeInvalid, "", "the list is empty"},
		"list cut off":      {`[{"Name":"a"},`, json, "", CodeBadRequest, "", "cut off"},
		"long list":         {"[" + strings.Repeat("{},", MaxTasks) + "{}]", json, "", CodeTooLarge, "", "1001 tasks"},
		"unknown field":     {`{"Cpus":1}`, json, "", CodeInvalid, "Cpus", "no such field"},
		"unknown in check":  {`{"HealthCheck":{"Path":"/"}}`, json, "", CodeInvalid, "Path", "no such field"},
		"wrong type":        {`{"Cpu":"two"}`, json, "", CodeInvalid, "Cpu", "string"},
		"memory of lots":    {`{"Memory":"lots"}`, json, "", CodeInvalid, "", `"lots" is not a size`},
		"state 99":          {`{"State":99}`, json, "", CodeInvalid, "", `"99" is not a state`},
		"event for stop":    {`{"State":"completed","Task":{}}`, json, "", CodeInvalid, "State", "DELETE"},
		"form":              {`{}`, "text/plain", "", CodeUnsupportedMedia, "", "text/plain"},
		"no type":           {`{}`, "", "", CodeUnsupportedMedia, "", "application/json"},
		"too long":          {strings.Repeat(" ", MaxBody+1), json, "", CodeTooLarge, "", "longer"},
		"lenient and wrong": {`{"Cpu":"two","New":1}`, json, Lenient, CodeInvalid, "Cpu", "string"},
	} {
		_, _, err := DecodeTasks(post(test.body, test.contentType, test.prefer))
		var e *Error
		if !errors.As(err, &e) || e.Code != test.code || e.Field != test.field || !strings.Contains(e.Message, test.says) {
			t.Errorf("%s: got %#v; want code %s, field %q, a message with %q", name, err, test.code, test.field, test.says)
		}
	}
}

func TestDecodeTakesTaskOrEvent(t *testing.T) {
	for name, test := range map[string]struct{ body, prefer string }{
		"task":             {`{"Name":"a"}`, ""},
		"event":            {`{"State":2,"Task":{"Name":"a","State":1}}`, ""},
		"from a newer one": {`{"Name":"a","Later":1}`, "respond-async, " + Lenient},
	} {
		got, isList, err := DecodeTasks(post(test.body, "application/json; charset=utf-8", test.prefer))
		if err != nil || isList || len(got) != 1 || got[0].Task.Name != "a" {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

// Of a list each task is read by itself.
func TestDecodeTakesAList(t *testing.T) {
	const body = `[{"Name":"a"}, {"Title":"b"}, {"State":2,"Task":{"Name":"c"}}, null, 5, []]`
	got, isList, err := DecodeTasks(post(body, "application/json", ""))
	if err != nil || !isList || len(got) != 6 {
		t.Fatalf("got %v, %v, %v", got, isList, err)
	}
	for i, want := range []string{"a", "", "c", "", "", ""} {
		e := (*Error)(nil)
		switch {
		case want != "" && (got[i].Err != nil || got[i].Task.Name != want):
			t.Errorf("%d: got %+v, want the task %s", i, got[i], want)
		case want == "" && !errors.As(got[i].Err, &e):
			t.Errorf("%d: got %+v, want an error of the one shape", i, got[i])
		}
	}
}

func TestErrorOverTheWire(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		code   Code
		field  string
	}{
		"wire":       {New(CodeNoRoom, "no room").WithField("Memory"), 409, CodeNoRoom, "Memory"},
		"validation": {&task.ValidationError{Field: "Cpu", Reason: "is negative"}, 400, CodeInvalid, "Cpu"},
		"transition": {&task.TransitionError{From: task.Completed, To: task.Scheduled}, 409, CodeIllegalTransition, "State"},
		"other":      {errors.New("disk on fire"), 500, CodeInternal, ""},
	} {
		recorder := httptest.NewRecorder()
		WriteError(recorder, test.err)
		got := ReadError(recorder.Result())
		if got.HTTPStatusCode != test.status || got.Code != test.code || got.Field != test.field || got.Message != AsError(test.err).Message {
			t.Errorf("%s: got %+v", name, got)
		}
		if !errors.Is(got, New(test.code, "")) || errors.Is(got, New(CodeTooLarge, "")) {
			t.Errorf("%s: errors.Is does not tell the code", name)
		}
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for code, status := range statusOf {
		if got := New(code, "x").HTTPStatusCode; got != status || http.StatusText(got) == "" || got < 400 {
			t.Errorf("%s: status %d", code, got)
		}
	}
}

func TestForeignErrorIsQuotedInPart(t *testing.T) {
	recorder := httptest.NewRecorder()
	http.Error(recorder, strings.Repeat("x", 5000), http.StatusUnauthorized)
	got := ReadError(recorder.Result())
	if got.Code != CodeUnauthorized || got.HTTPStatusCode != 401 || len(got.Message) > 300 {
		t.Errorf("got %+v", got)
	}
}

func FuzzUnmarshalTask(f *testing.F) {
	f.Add([]byte(`{"Name":"a","Memory":"512MiB"}`), false)
	f.Add([]byte(`{"State":2,"Task":{"HealthCheck":"/x"}}`), true)
	f.Add([]byte(`{"Task":null}`), false)
	f.Add([]byte(`{"TASK":{}}`), false)
	f.Fuzz(func(t *testing.T, body []byte, lenient bool) {
		got, err := UnmarshalTask(body, lenient)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %v and %v", got, err)
		}
		if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
			t.Fatalf("%v is not of the one error shape", err)
		}
	})
}
