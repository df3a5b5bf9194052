package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/cmd/cube/web"
	"cube/worker/wire"
)

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// hostile is a request that must not get through.
type hostile struct {
	method, path string // POST /tasks where not said
	header       map[string]string
	host         string
	body         string
	stream       io.Reader // instead of body
	noToken      bool
	code         wire.Code
}

// taskWith is an event whose task has these fields beside its command.
func taskWith(fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return fmt.Sprintf(`{"ID":%q,"State":"running","Task":{"ID":%q,"Command":["touch","/cube-was-here"]%s}}`, uuid.NewString(), uuid.NewString(), fields)
}

// TestHostileWorkerRequests sends the real worker what a hostile page, another
// local user or a mistaken program may send. Each is refused in the one shape of
// errors, none leaves a task, none writes a line of its own into the log, and the
// worker serves on.
func TestHostileWorkerRequests(t *testing.T) {
	dir := t.TempDir()
	tokenFile := filepath.Join(dir, "token")
	p := startCube(t, []string{"XDG_CONFIG_HOME=" + dir}, "worker", "--web.listen-address=127.0.0.1:0", "--runtime=process",
		"--data-dir="+t.TempDir(), "--web.token-file="+tokenFile)
	base := p.url()
	token, err := web.ReadToken(tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]hostile{
		"no token":                  {noToken: true, body: taskWith(""), code: wire.CodeUnauthorized},
		"a guessed token":           {noToken: true, header: map[string]string{"Authorization": "Bearer " + strings.Repeat("0", len(token))}, body: taskWith(""), code: wire.CodeUnauthorized},
		"a stop without token":      {noToken: true, method: "DELETE", path: "/tasks/" + uuid.NewString(), code: wire.CodeUnauthorized},
		"DNS rebinding":             {host: "evil.example", body: taskWith(""), code: wire.CodeForbiddenHost},
		"DNS rebinding to read":     {host: "evil.example", method: "GET", path: "/metrics", code: wire.CodeForbiddenHost},
		"a page of another origin":  {header: map[string]string{"Origin": "https://evil.example"}, body: taskWith(""), code: wire.CodeCrossOrigin},
		"a page, by Sec-Fetch-Site": {header: map[string]string{"Sec-Fetch-Site": "cross-site"}, body: taskWith(""), code: wire.CodeCrossOrigin},
		"a form":                    {header: map[string]string{"Content-Type": "text/plain"}, body: taskWith(""), code: wire.CodeUnsupportedMedia},
		"a body of 2 MiB":           {body: taskWith(`"Name":"` + strings.Repeat("x", 2<<20) + `"`), code: wire.CodeTooLarge},
		"a body without end":        {stream: endless{}, code: wire.CodeTooLarge},
		"a body that is deep":       {body: strings.Repeat("[", 500_000), code: wire.CodeBadRequest},
		"half a body":               {body: `{"ID":`, code: wire.CodeBadRequest},
		"two bodies":                {body: taskWith("") + taskWith(""), code: wire.CodeBadRequest},

		"a name that is a path":       {body: taskWith(`"Name":"../../etc/passwd"`), code: wire.CodeInvalid},
		"a name that is a line":       {body: taskWith(`"Name":"x\nlevel=ERROR msg=hostile"`), code: wire.CodeInvalid},
		"a name that is an escape":    {body: taskWith(`"Name":"\u001b[2Jhostile"`), code: wire.CodeInvalid},
		"a name that is a label":      {body: taskWith(`"Name":"x\",task=\"y"`), code: wire.CodeInvalid},
		"a name that is long":         {body: taskWith(`"Name":"` + strings.Repeat("x", 64) + `"`), code: wire.CodeInvalid},
		"an ID that is a path":        {body: `{"ID":"../../x","State":"running","Task":{}}`, code: wire.CodeInvalid},
		"a task's ID that is a path":  {body: `{"ID":"` + uuid.NewString() + `","State":"running","Task":{"ID":"../../x","Command":["true"]}}`, code: wire.CodeInvalid},
		"a stop that is a path":       {method: "DELETE", path: "/tasks/..%2f..%2fetc", code: wire.CodeInvalid},
		"logs of a path":              {method: "GET", path: "/tasks/..%2f..%2f..%2fetc%2fpasswd/logs", code: wire.CodeInvalid},
		"a path with a line of a log": {method: "GET", path: "/tasks%0alevel=ERROR%20msg=hostile", code: wire.CodeNotFound},
		"a directory that is none":    {body: taskWith(`"WorkingDir":"../.."`), code: wire.CodeInvalid},
		"no variable":                 {body: taskWith(`"Env":["hostile"]`), code: wire.CodeInvalid},
		"a variable without name":     {body: taskWith(`"Env":["=hostile"]`), code: wire.CodeInvalid},
		"a variable that ends early":  {body: taskWith(`"Env":["A=b\u0000LD_PRELOAD=/tmp/hostile.so"]`), code: wire.CodeInvalid},
		"a command that ends early":   {body: taskWith(`"User":"root\u0000"`), code: wire.CodeInvalid},
		"an image that is an option":  {body: taskWith(`"Image":"--privileged"`), code: wire.CodeInvalid},
		"a port of the privileged":    {body: taskWith(`"PortBindings":{"22/tcp; rm":"22"}`), code: wire.CodeInvalid},

		"CPU without end":    {body: taskWith(`"Cpu":1e308`), code: wire.CodeNoRoom},
		"memory without end": {body: taskWith(`"Memory":9223372036854775807`), code: wire.CodeNoRoom},
		"negative memory":    {body: taskWith(`"Memory":-1`), code: wire.CodeInvalid},
	}
	// There is no field by which a task could ask for more than it may have.
	for _, field := range []string{`"Privileged":true`, `"Binds":["/:/host"]`, `"Mounts":[{}]`, `"Volumes":{}`, `"NetworkMode":"host"`, `"PidMode":"host"`,
		`"CapAdd":["SYS_ADMIN"]`, `"Devices":[]`, `"SecurityOpt":[]`, `"HostConfig":{"Privileged":true}`, `"CgroupParent":"/"`} {
		name, _, _ := strings.Cut(field, ":")
		rows[name+" asked for"] = hostile{body: taskWith(field), code: wire.CodeInvalid}
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) { row.send(t, base, token) })
	}
	if status, body := get(t, base+"/tasks"); status != http.StatusOK || strings.TrimSpace(body) != "[]" {
		t.Errorf("afterwards there are tasks: %d %s", status, body)
	}
	for line := range strings.Lines(p.output()) {
		if strings.HasPrefix(line, "level=ERROR") || strings.Contains(line, " level=ERROR msg=hostile") || strings.Contains(line, "\x1b") || strings.Contains(line, token) {
			t.Errorf("the log has a line that is not the worker's, or a secret: %q", line)
		}
	}
}

// send sends the request, and compares the answer.
func (h hostile) send(t *testing.T, base, token string) {
	t.Helper()
	if h.method == "" {
		h.method, h.path = http.MethodPost, "/tasks"
	}
	body := h.stream
	if body == nil {
		body = strings.NewReader(h.body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, h.method, base+h.path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = h.host
	if h.method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	if !h.noToken {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range h.header {
		request.Header.Set(name, value)
	}
	response, err := (&http.Transport{}).RoundTrip(request)
	if failed := (*url.Error)(nil); err != nil && !errors.As(err, &failed) && h.code == wire.CodeTooLarge {
		return // cut off in the middle of its body: refused all the same
	}
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := wire.ReadError(response); got.Code != h.code || got.HTTPStatusCode != wire.New(h.code, "").HTTPStatusCode {
		t.Errorf("got %d %s (%s: %s); want %s", got.HTTPStatusCode, got.Code, got.Field, got.Message, h.code)
	}
}

// TestExposedWorkerIsRefused: no address but loopback without authentication.
func TestExposedWorkerIsRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		_, stderr, code := cube(t, nil, "worker", "--web.listen-address="+address, "--data-dir="+t.TempDir(), "--runtime=process")
		if code != 1 || !strings.Contains(stderr, "--web.insecure") {
			t.Errorf("%s: exit status %d: %s", address, code, stderr)
		}
	}
}
