package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cube/worker/task"
	"cube/worker/wire"
)

// startSmall starts a manager and one worker that runs processes.
func startSmall(t *testing.T, workerArgs ...string) *fleet {
	t.Helper()
	f := &fleet{env: []string{"XDG_CONFIG_HOME=" + t.TempDir()}}
	f.manager = startCube(t, f.env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--scrape.interval=1s")
	f.managerURL = f.manager.url()
	f.env = append(f.env, "CUBE_MANAGER="+f.managerURL)
	f.idle = startCube(t, f.env, append([]string{"worker", "--web.listen-address=127.0.0.1:0", "--data-dir=" + t.TempDir(),
		"--join=" + f.managerURL, "--runtime=process", "--drain"}, workerArgs...)...)
	f.idleURL = f.idle.url()
	f.idleName = strings.TrimPrefix(f.idleURL, "http://")
	until(t, 30*time.Second, "the worker is ready", func() bool {
		n := f.nodes(t)[f.idleName]
		return n.State == wire.NodeReady && n.CpuUsageRatio != nil
	})
	return f
}

// tasks asks for all tasks.
func (f *fleet) tasks(t *testing.T) []wire.PlacedTask {
	t.Helper()
	var tasks []wire.PlacedTask
	fromJSON(t, mustCube(t, f.env, "ps", "--all", "--output=json"), &tasks)
	return tasks
}

// TestBadCommands: each gets exit status 1, one clear sentence that names the
// thing, and changes nothing. The book's CLI reported success on HTTP errors.
func TestBadCommands(t *testing.T) {
	f := startSmall(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unknown := uuid.NewString()
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"a negative CPU":          {[]string{"run", "--cpu=-1", "--", "true"}, "Cpu: is negative (-1)"},
		"a memory of lots":        {[]string{"run", "--memory=lots", "--", "true"}, `"lots" is not a size`},
		"nothing to run":          {[]string{"run"}, "Command"},
		"a name that is a path":   {[]string{"run", "--name=../x", "--", "true"}, `"../x"`},
		"a port that is none":     {[]string{"run", "--publish=80:http", "--", "true"}, `"http" is not a port`},
		"a restart policy":        {[]string{"run", "--restart=sometimes", "--", "true"}, `"sometimes"`},
		"a count of none":         {[]string{"run", "--count=0", "--", "true"}, "--count=0: want 1 or more"},
		"many of one ID":          {[]string{"run", "--count=2", "-f", file("id.json", `{"ID":"11111111-2222-3333-4444-555555555555","Command":["true"]}`)}, "only one task can have it"},
		"an unknown flag":         {[]string{"run", "--cpus=1", "--", "true"}, "--cpus"},
		"a file that is missing":  {[]string{"run", "-f", dir + "/none.json"}, "none.json"},
		"bad JSON":                {[]string{"run", "-f", file("bad.json", "{")}, "cut off"},
		"an unknown field":        {[]string{"run", "-f", file("field.json", `{"Command":["true"],"Cpus":1}`)}, "Cpus: there is no such field"},
		"a state that is none":    {[]string{"run", "-f", file("state.json", `{"State":99,"Task":{"Command":["true"]}}`)}, `"99" is not a state`},
		"an unknown task stopped": {[]string{"stop", unknown}, unknown},
		"an unknown task's logs":  {[]string{"logs", unknown}, unknown},
		"an unknown task's why":   {[]string{"explain", unknown}, unknown},
		"a manager that is down":  {[]string{"ps", "--manager=http://" + freeAddress(t)}, "connection refused"},
		"a manager that is none":  {[]string{"ps", "--manager=ftp://x"}, "ftp://x"},
		"an output format":        {[]string{"ps", "--output=xml"}, `"xml"`},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := cube(t, f.env, test.args...)
			if code != 1 || stdout != "" || !strings.Contains(stderr, test.says) {
				t.Errorf("exit status %d, stdout %q, stderr %q; want 1, nothing, %q", code, stdout, stderr, test.says)
			}
			if lines := strings.Count(strings.TrimSpace(stderr), "\n"); lines > 0 {
				t.Errorf("more than one line:\n%s", stderr)
			}
		})
	}
	if tasks := f.tasks(t); len(tasks) != 0 {
		t.Errorf("there are tasks now: %+v", tasks)
	}
}

// TestBadStarts: a server that cannot start says why and ends with status 1.
func TestBadStarts(t *testing.T) {
	t.Parallel()
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	data := t.TempDir()
	first := startCube(t, env, "worker", "--web.listen-address=127.0.0.1:0", "--data-dir="+data, "--runtime=process")
	first.url()
	const address = "--web.listen-address=127.0.0.1:0"
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"a taken port":               {[]string{"manager", "--data-dir=" + t.TempDir(), "--web.listen-address=" + taken.Addr().String()}, taken.Addr().String()},
		"a directory not writable":   {[]string{"manager", "--data-dir=/dev/null/x", address}, "/dev/null/x"},
		"a second worker there":      {[]string{"worker", "--runtime=process", "--data-dir=" + data, address}, data},
		"every address, no password": {[]string{"worker", "--runtime=process", "--data-dir=" + t.TempDir(), "--web.listen-address=0.0.0.0:0"}, "--web.insecure"},
		"a policy that is none":      {[]string{"manager", "--data-dir=" + t.TempDir(), address, "--policy=best"}, `"best"`},
		"a limit below nothing":      {[]string{"manager", "--data-dir=" + t.TempDir(), address, "--scrape.sample-limit=-1"}, "negative"},
		"a runtime that is none":     {[]string{"worker", "--runtime=podman", address}, "podman"},
		"no proc file system":        {[]string{"worker", "--runtime=process", "--data-dir=" + t.TempDir(), address, "--path.procfs=/nowhere"}, "/nowhere"},
		"a worker that is no URL":    {[]string{"manager", "--data-dir=" + t.TempDir(), address, "--worker=ftp://x"}, "ftp://x"},
		"no workers":                 {[]string{"dev", "--workers=0"}, "--workers"},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := cube(t, env, test.args...)
			if code != 1 || !strings.Contains(stderr, test.says) {
				t.Errorf("exit status %d, %q; want 1 and %q", code, stderr, test.says)
			}
		})
	}
}

// TestPageLimitsAreTheOperators: how long a page may be is said by flags; whose
// page is longer says so as the node's last error.
func TestPageLimitsAreTheOperators(t *testing.T) {
	page := "cube_time_seconds 5\n" + strings.Repeat("x 1\n", 2000)
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, page)
	}))
	defer exporter.Close()
	for flag, says := range map[string]string{
		"--scrape.body-size-limit=1KiB": "longer than 1024 bytes",
		"--scrape.sample-limit=1999":    "more than 1999 samples",
	} {
		t.Run(flag, func(t *testing.T) {
			f := &fleet{env: []string{"XDG_CONFIG_HOME=" + t.TempDir()}}
			f.manager = startCube(t, f.env, "manager", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(),
				"--scrape.interval=1s", "--worker="+exporter.URL, flag)
			f.env = append(f.env, "CUBE_MANAGER="+f.manager.url())
			last := ""
			until(t, 30*time.Second, "the page was refused", func() bool {
				last = f.nodes(t)[strings.TrimPrefix(exporter.URL, "http://")].LastError
				return last != ""
			})
			if !strings.Contains(last, says) {
				t.Errorf("the last error is %q, want one with %q", last, says)
			}
		})
	}
}

// TestBadRequests: a person with curl gets the right status, the code and the
// sentence.
func TestBadRequests(t *testing.T) {
	f := startSmall(t)
	token := readToken(t, f.env, f.managerURL)
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		code               wire.Code
		says               string
	}{
		"bad JSON":         {"POST", "/tasks", "{", 400, wire.CodeBadRequest, "cut off"},
		"unknown field":    {"POST", "/tasks", `{"Command":["x"],"Memroy":5}`, 400, wire.CodeInvalid, "Memroy"},
		"negative CPU":     {"POST", "/tasks", `{"Command":["x"],"Cpu":-2}`, 400, wire.CodeInvalid, "negative"},
		"memory of lots":   {"POST", "/tasks", `{"Command":["x"],"Memory":"lots"}`, 400, wire.CodeInvalid, `"lots"`},
		"unknown task":     {"DELETE", "/tasks/" + uuid.NewString(), "", 404, wire.CodeNotFound, "there is no task"},
		"not a UUID":       {"DELETE", "/tasks/1", "", 400, wire.CodeInvalid, "UUID"},
		"no such route":    {"GET", "/jobs", "", 404, wire.CodeNotFound, "/jobs"},
		"no such method":   {"PUT", "/tasks", "{}", 405, wire.CodeMethodNotAllowed, "PUT"},
		"not a worker URL": {"POST", "/nodes", `{"URL":"x"}`, 400, wire.CodeInvalid, "URL"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, test.method, f.managerURL+test.path, test.body, token)
			if got.HTTPStatusCode != test.status || got.Code != test.code || !strings.Contains(got.Message, test.says) {
				t.Errorf("got %+v; want %d %s with %q", got, test.status, test.code, test.says)
			}
		})
	}
	if got := ask(t, "POST", f.idleURL+"/tasks", "{}", ""); got.Code != wire.CodeUnauthorized {
		t.Errorf("a post to a worker of processes without its token: %+v", got)
	}
	if tasks := f.tasks(t); len(tasks) != 0 {
		t.Errorf("there are tasks now: %+v", tasks)
	}
}

// readToken reads a server's write token from where the CLI finds it.
func readToken(t *testing.T, env []string, base string) string {
	t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(base, "http://"), ":")
	text, err := os.ReadFile(filepath.Join(strings.TrimPrefix(env[0], "XDG_CONFIG_HOME="), "cube", port+".token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// send sends a request as a person with curl would, and returns the answer.
func send(t *testing.T, method, url, body, token string) (status int, answer []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// ask sends a request and returns the error that it has to be answered with.
func ask(t *testing.T, method, url, body, token string) wire.Error {
	t.Helper()
	status, answer := send(t, method, url, body, token)
	var got wire.Error
	if err := json.Unmarshal(answer, &got); err != nil || got.HTTPStatusCode != status {
		t.Fatalf("%s %s: status %d, %s: not the one error shape", method, url, status, answer)
	}
	return got
}

// join makes a worker known to a manager.
func join(t *testing.T, managerURL, body, token string) {
	t.Helper()
	if status, answer := send(t, http.MethodPost, managerURL+"/nodes", body, token); status >= 300 {
		t.Fatalf("joining: %d, %s", status, answer)
	}
}

// A task that fits nowhere stays pending, with the reason shown, and is placed
// when room appears.
func TestTaskThatFitsNowhereWaitsForRoom(t *testing.T) {
	t.Parallel()
	f := startSmall(t, "--capacity.memory=1GiB")
	first := f.run(t, "--name=first", "--memory=800MiB", "--", "sleep", "600")
	if first.State != task.Running {
		t.Fatalf("the first is %s: %s", first.State, first.PendingReason)
	}
	second := f.run(t, "--name=second", "--memory=800MiB", "--", "sleep", "600")
	if second.State != task.Pending || !strings.Contains(second.PendingReason, "800MiB") {
		t.Fatalf("the second is %s: %q", second.State, second.PendingReason)
	}
	if got := mustCube(t, f.env, "ps"); !strings.Contains(got, shorten(second.PendingReason)) {
		t.Errorf("ps does not say why:\n%s", got)
	}
	if got := mustCube(t, f.env, "explain", "second"); !strings.Contains(got, "memory") || !strings.Contains(got, "No node of 1 fits") {
		t.Errorf("explain does not say why:\n%s", got)
	}
	mustCube(t, f.env, "stop", "first", "--output=json")
	until(t, 20*time.Second, "the second runs", func() bool {
		for _, placed := range f.tasks(t) {
			if placed.Name == "second" {
				return placed.State == task.Running
			}
		}
		return false
	})
}

// TestEngineThatIsNotThere: the worker measures all the same, and tasks get the
// reason.
func TestEngineThatIsNotThere(t *testing.T) {
	socket := "unix://" + t.TempDir() + "/none.sock"
	env := []string{"XDG_CONFIG_HOME=" + t.TempDir()}
	w := startCube(t, env, "worker", "--web.listen-address=127.0.0.1:0", "--data-dir="+t.TempDir(), "--docker.host="+socket)
	base := w.url()
	if got := page(t, base); !strings.Contains(got, "cube_memory_total_bytes") {
		t.Errorf("the machine is not measured:\n%s", got)
	}
	event := fmt.Sprintf(`{"ID":%q,"State":"running","Task":{"ID":%q,"Image":"x"}}`, uuid.NewString(), uuid.NewString())
	if got := ask(t, "POST", base+"/tasks", event, ""); got.Code != wire.CodeUnavailable || !strings.Contains(got.Message, socket) {
		t.Errorf("got %+v; want unavailable, naming %s", got, socket)
	}
}
