package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/wire"
)

// TestHostileManagerRequests sends the real manager what a hostile page, somebody
// who may only read, a machine that should not join or a mistaken program may
// send. Each is refused in the one shape of errors, none leaves a task or a node,
// none writes a line of its own into the log, every refused write is audited, and
// the manager serves on.
func TestHostileManagerRequests(t *testing.T) {
	dir := t.TempDir()
	reader, writer := "the-token-of-the-reader", "the-token-of-the-writer"
	putFile(t, dir, "reader.token", reader)
	putFile(t, dir, "writer.token", writer)
	roles := putFile(t, dir, "roles.yml", "tokens: [{name: reader, role: read, file: reader.token}, {name: writer, role: write, file: writer.token}]")
	p := startCube(t, []string{"XDG_CONFIG_HOME=" + dir}, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--web.roles-file="+roles)
	base := p.url()

	id := uuid.NewString()
	as := func(token string) map[string]string { return map[string]string{"Authorization": "Bearer " + token} }
	task := func(fields string) string { return `{"Command":["touch","/cube-was-here"],` + fields + `}` }
	join := func(fields string) hostile {
		return hostile{method: "POST", path: "/nodes", body: "{" + fields + "}", code: wire.CodeInvalid}
	}
	rows := map[string]hostile{
		"nobody reads":               {noToken: true, method: "GET", path: "/tasks", code: wire.CodeUnauthorized},
		"nobody reads the page":      {noToken: true, method: "GET", path: "/", code: wire.CodeUnauthorized},
		"nobody reads the metrics":   {noToken: true, method: "GET", path: "/metrics", code: wire.CodeUnauthorized},
		"nobody watches":             {noToken: true, method: "GET", path: "/tasks", header: map[string]string{"Accept": "text/event-stream"}, code: wire.CodeUnauthorized},
		"nobody writes":              {noToken: true, body: task(`"Name":"x"`), code: wire.CodeUnauthorized},
		"a guessed token":            {header: as(strings.Repeat("0", len(writer))), body: task(`"Name":"x"`), code: wire.CodeUnauthorized},
		"a token cut short":          {header: as(writer[:len(writer)-1]), body: task(`"Name":"x"`), code: wire.CodeUnauthorized},
		"two tokens in one":          {header: as(reader + "," + writer), body: task(`"Name":"x"`), code: wire.CodeUnauthorized},
		"a token as a user":          {header: map[string]string{"Authorization": "Basic d3JpdGVyOg=="}, body: task(`"Name":"x"`), code: wire.CodeUnauthorized},
		"a user nobody has asked":    {header: map[string]string{"Authorization": "Basic YWRtaW46YWRtaW4="}, method: "GET", path: "/nodes", code: wire.CodeUnauthorized},
		"a reader submits":           {header: as(reader), body: task(`"Name":"x"`), code: wire.CodeForbidden},
		"a reader stops":             {header: as(reader), method: "DELETE", path: "/tasks/" + id, code: wire.CodeForbidden},
		"a reader joins a node":      {header: as(reader), method: "POST", path: "/nodes", body: `{"URL":"http://evil.example:1"}`, code: wire.CodeForbidden},
		"a reader removes a node":    {header: as(reader), method: "DELETE", path: "/nodes/x", code: wire.CodeForbidden},
		"a reader drains":            {header: as(reader), method: "POST", path: "/nodes/x/drain", body: "{}", code: wire.CodeForbidden},
		"a reader resumes":           {header: as(reader), method: "POST", path: "/nodes/x/resume", body: "{}", code: wire.CodeForbidden},
		"a reader takes the secrets": {header: as(reader), method: "POST", path: "/backup", body: "{}", code: wire.CodeForbidden},
		"a reader by another method": {header: as(reader), method: "PATCH", path: "/tasks", body: "{}", code: wire.CodeForbidden},
		"a reader overrides a read":  {header: map[string]string{"Authorization": "Bearer " + reader, "X-HTTP-Method-Override": "GET"}, body: task(`"Name":"x"`), code: wire.CodeForbidden},

		"DNS rebinding":             {host: "evil.example", body: task(`"Name":"x"`), code: wire.CodeForbiddenHost},
		"DNS rebinding to read":     {host: "evil.example", method: "GET", path: "/tasks", code: wire.CodeForbiddenHost},
		"a page of another origin":  {header: map[string]string{"Origin": "https://evil.example"}, body: task(`"Name":"x"`), code: wire.CodeCrossOrigin},
		"a page, by Sec-Fetch-Site": {header: map[string]string{"Sec-Fetch-Site": "cross-site"}, method: "DELETE", path: "/nodes/x?force=1", code: wire.CodeCrossOrigin},
		"a form":                    {header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: "Name=x", code: wire.CodeUnsupportedMedia},
		"a body of 2 MiB":           {body: task(`"Name":"` + strings.Repeat("x", 2<<20) + `"`), code: wire.CodeTooLarge},
		"a body without end":        {stream: endless{}, code: wire.CodeTooLarge},
		"a body that is deep":       {body: strings.Repeat("[", 500_000), code: wire.CodeBadRequest},
		"half a body":               {body: `{"Name":`, code: wire.CodeBadRequest},
		"two bodies":                {body: task(`"Name":"x"`) + task(`"Name":"y"`), code: wire.CodeBadRequest},
		"a task that is a number":   {body: `7`, code: wire.CodeInvalid},

		"a name that is a line":      {body: task(`"Name":"x\nlevel=ERROR msg=hostile"`), code: wire.CodeInvalid},
		"a name that is a page":      {body: task(`"Name":"<script>alert(1)</script>"`), code: wire.CodeInvalid},
		"an ID that is a path":       {body: task(`"ID":"../../x"`), code: wire.CodeInvalid},
		"memory below nothing":       {body: task(`"Memory":-1`), code: wire.CodeInvalid},
		"CPU that is no number":      {body: task(`"Cpu":1e999`), code: wire.CodeInvalid},
		"a constraint that is none":  {body: task(`"Constraints":["zone"]`), code: wire.CodeInvalid},
		"a field that is none":       {body: task(`"Privileged":true`), code: wire.CodeInvalid},
		"another allocation's stop":  {method: "DELETE", path: "/tasks/" + id, code: wire.CodeNotFound},
		"a stop that is a path":      {method: "DELETE", path: "/tasks/..%2f..%2fetc", code: wire.CodeInvalid},
		"logs of a path":             {method: "GET", path: "/tasks/..%2f..%2fetc%2fpasswd/logs", code: wire.CodeInvalid},
		"a path with a line":         {method: "GET", path: "/tasks%0alevel=ERROR%20msg=hostile", code: wire.CodeNotFound},
		"a write to a path of lines": {method: "DELETE", path: "/nodes/x%0alevel=ERROR%20msg=hostile", code: wire.CodeNotFound},
		"a cursor that is none":      {method: "GET", path: "/tasks?after=-1", code: wire.CodeInvalid},
		"a page of nothing":          {method: "GET", path: "/tasks?limit=0", code: wire.CodeInvalid},
		"a state that is none":       {method: "GET", path: "/tasks?state=%27%3B--", code: wire.CodeInvalid},
		"a position that is none": {method: "GET", path: "/tasks", header: map[string]string{"Accept": "text/event-stream", "Last-Event-ID": strings.Repeat("9", 99)},
			code: wire.CodeInvalid},
		"a time below nothing": {method: "POST", path: "/nodes/x/drain", body: `{"MoveWithin":-1}`, code: wire.CodeInvalid},

		"a node that is a file":         join(`"URL":"file:///etc/passwd"`),
		"a node without a host":         join(`"URL":"http://:80"`),
		"a node with a password":        join(`"URL":"http://root:hunter2@127.0.0.1:1"`),
		"a node that is a line":         join(`"URL":"http://127.0.0.1:1","Name":"x\nlevel=ERROR msg=hostile"`),
		"a node that is a path":         join(`"URL":"http://127.0.0.1:1","Name":"../../x"`),
		"a node that is a line by host": join(`"URL":"http://127.0.0.1:1\nlevel=ERROR"`),
		"a node of another field":       join(`"URL":"http://127.0.0.1:1","Admin":true`),
		"metrics that are a file":       join(`"URL":"http://127.0.0.1:1","Metrics":{"URL":"file:///etc/shadow"}`),
		"metrics of no source":          join(`"URL":"http://127.0.0.1:1","Metrics":{"Source":"cadvisor"}`),
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) { row.send(t, base, writer) })
	}
	for path, want := range map[string]string{"/tasks": "[]", "/nodes": "[]"} {
		response, body := fetch(t, "GET", base+path, "Authorization", "Bearer "+reader)
		if response.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != want {
			t.Errorf("afterwards %s is %s %s", path, response.Status, body)
		}
	}
	checkHostileLog(t, p.output(), reader, writer, "hunter2")
	for method, path := range map[string]string{"POST": "/tasks", "DELETE": "/tasks/" + id} {
		p.await(fmt.Sprintf(`msg=audit who="token reader" from=127\.0\.0\.1:\d+ method=%s path=%s outcome=Forbidden status=403`, method, path), 5*time.Second)
	}
}

// checkHostileLog: every line is the program's own, and none has a secret.
func checkHostileLog(t *testing.T, log string, secrets ...string) {
	t.Helper()
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, " level=ERROR msg=hostile") || strings.Contains(line, "\x1b") {
			t.Errorf("the log has a line that is not the program's: %q", line)
		}
		for _, secret := range secrets {
			if strings.Contains(line, secret) {
				t.Errorf("the log has a secret: %q", line)
			}
		}
	}
}
