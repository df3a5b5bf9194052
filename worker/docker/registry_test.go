package docker_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/google/uuid"

	"cube/worker/docker"
	"cube/worker/docker/dockertest"
)

// registry serves one image, read-only, as much of the distribution API as an
// engine needs to pull it. Engines take one on loopback without TLS.
type registry struct {
	name  string // of the image: "127.0.0.1:1234/cube-test:1"
	blobs map[string][]byte
	types map[string]string
	main  atomic.Value // string: digest of the manifest that the tag means
	pulls atomic.Int64 // manifests asked for
	user  atomic.Value // string: who alone is let in, by basic authentication; empty: everybody
}

const registryPassword = "pass:word"

func newRegistry(t *testing.T) *registry {
	t.Helper()
	r := &registry{blobs: make(map[string][]byte), types: make(map[string]string)}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.name = strings.TrimPrefix(server.URL, "http://") + "/cube-test:1"
	return r
}

// put has the tag mean an image of the program, with these arguments and what
// else there is to its configuration, and returns the ID it will have.
func (r *registry) put(t *testing.T, program []byte, more map[string]any, args ...string) string {
	t.Helper()
	settings := map[string]any{"Entrypoint": []string{dockertest.Program}, "Cmd": args}
	maps.Copy(settings, more)
	layer := layerOf(t, program)
	config := encode(t, map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": settings,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	packed := compress(t, layer)
	const kind = "application/vnd.docker.distribution.manifest.v2+json"
	manifest := encode(t, map[string]any{
		"schemaVersion": 2, "mediaType": kind,
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(packed), "digest": digest(packed)}},
	})
	for _, blob := range [][]byte{config, packed, manifest} {
		r.blobs[digest(blob)] = blob
	}
	r.types[digest(manifest)] = kind
	r.main.Store(digest(manifest))
	return digest(config)
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	user, password, _ := req.BasicAuth()
	if only, _ := r.user.Load().(string); only != "" && (user != only || password != registryPassword) {
		w.Header().Set("WWW-Authenticate", `Basic realm="cube-test"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	path := req.URL.Path
	which := path[strings.LastIndexByte(path, '/')+1:]
	if strings.Contains(path, "/manifests/") {
		if which == "1" {
			which = r.main.Load().(string)
		}
		if req.Method == http.MethodGet {
			r.pulls.Add(1)
		}
	}
	blob, there := r.blobs[which]
	switch {
	case path == "/v2/":
	case !there:
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
	default:
		if kind := r.types[which]; kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		w.Header().Set("Docker-Content-Digest", which)
		w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
		_, _ = w.Write(blob) // the engine may have seen enough
	}
}

// refuse answers in the distribution API's shape of errors.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

// What goes wrong with a pull is said in a line, with the image; what goes well
// is told while it does.
func testPullIsTold(t *testing.T, path string) {
	engine, from := dockertest.Client(t), newRegistry(t)
	var ids []string
	t.Cleanup(func() { removeImages(t, engine, ids) })
	owner := dockertest.Owner(t)
	var log lockedBuffer
	r := newRuntime(t, owner, func(cfg *docker.Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	r.SayProgress()
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	program = append(program, uuid.NewString()...) // a layer that is not there yet
	ids = append(ids, from.put(t, program, nil, "exit", "0"))
	missing := strings.TrimSuffix(from.name, ":1") + ":missing"
	for _, test := range []struct{ name, image, user, want string }{
		{"no such tag", missing, "", "manifest unknown"},
		{"not let in", from.name, "somebody", "no basic auth credentials"},
	} {
		from.user.Store(test.user)
		key, what := newTask(test.image)
		what.ImagePullPolicy = ""
		run, err := r.Start(t.Context(), key, what)
		if err == nil || !strings.Contains(err.Error(), `image "`+test.image+`" could not be pulled`) || !strings.Contains(err.Error(), test.want) ||
			strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("%s: started as %+v, %v; want a line that names the image and says %q", test.name, run, err, test.want)
		}
	}
	from.user.Store("")
	key, what := newTask(from.name)
	what.ImagePullPolicy = ""
	start(t, r, key, what)
	told := log.String()
	progress := regexp.MustCompile(`still pulling image" image=` + regexp.QuoteMeta(from.name) + ` layers=1 bytes=[1-9]`)
	if !progress.MatchString(told) || !strings.Contains(told, "pulled image") {
		t.Errorf("of the pull it says\n%s", told)
	}
}

// lockedBuffer is a buffer for more than one writer.
type lockedBuffer struct {
	mu     sync.Mutex // guards buffer
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func testPull(t *testing.T, path string) {
	engine, from := dockertest.Client(t), newRegistry(t)
	var ids []string
	t.Cleanup(func() { removeImages(t, engine, ids) })
	owner := dockertest.Owner(t)
	r := newRuntime(t, owner)
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	ids = append(ids, from.put(t, program, nil, "exit", "1"))
	for _, test := range []struct {
		name   string
		policy string
		code   int   // of the image that is to run
		pulls  int64 // by then
	}{
		{"missing", "", 1, 1},
		{"there already", "if-not-present", 1, 1},
		{"never", "never", 1, 1},
		{"always, after it has changed", "always", 2, 2},
		{"the changed one is there", "", 2, 2},
	} {
		if test.code == 2 && test.policy == "always" {
			ids = append(ids, from.put(t, program, nil, "exit", "2"))
		}
		key, what := newTask(from.name)
		what.Image, what.ImagePullPolicy = from.name, test.policy
		start(t, r, key, what)
		wantCode(t, wait(t, r, key), test.code)
		if pulls := from.pulls.Load(); pulls != test.pulls {
			t.Errorf("%s: it was pulled %d times by now; want %d", test.name, pulls, test.pulls)
		}
	}

	key, what := newTask(from.name)
	what.Image = strings.TrimSuffix(from.name, ":1") + ":missing"
	what.ImagePullPolicy = ""
	if run, err := r.Start(t.Context(), key, what); err == nil || !strings.Contains(err.Error(), what.Image) {
		t.Errorf("started as %+v, %v; want an error that names the image", run, err)
	}
}

// What an image says of itself counts, as far as it is the task's business.
func testImageOfItsOwn(t *testing.T, path string) {
	engine, from := dockertest.Client(t), newRegistry(t)
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{from.put(t, program, map[string]any{
		"StopSignal":   "SIGINT",
		"Env":          []string{"FROM=image"},
		"Volumes":      map[string]any{"/data": struct{}{}},
		"ExposedPorts": map[string]any{"1234/tcp": struct{}{}},
		"Healthcheck":  map[string]any{"Test": []string{"CMD", dockertest.Program, "exit", "1"}},
	}, "env", "FROM", "deaf", "out", "ready", "forever")}
	t.Cleanup(func() { removeImages(t, engine, ids) })
	r := newRuntime(t, dockertest.Owner(t))
	key, what := newTask(from.name) // with the image's command
	what.ImagePullPolicy = ""
	run := start(t, r, key, what)
	waitForLine(t, r, key, "ready")
	if got := output(t, r, key, all()); got != "image\nready\n" {
		t.Errorf("it wrote %q", got)
	}
	c, err := engine.ContainerInspect(t.Context(), run.Handle)
	if err != nil {
		t.Fatal(err)
	}
	if c.State.Health != nil {
		t.Error("the image's health check is run, and nobody asks for it")
	}
	if len(run.HostPorts) != 0 {
		t.Errorf("a port that only the image exposes is published: %v", run.HostPorts)
	}
	if len(c.Mounts) != 1 {
		t.Fatalf("mounts: %+v; want the image's volume", c.Mounts)
	}
	// SIGTERM would be ignored; a Go program that SIGINT ends has code 2.
	if err := r.Stop(t.Context(), key, time.Minute); err != nil {
		t.Fatalf("stop: %v", err)
	}
	wantCode(t, wait(t, r, key), 2)
	if err := r.Remove(t.Context(), key); err != nil {
		t.Fatalf("remove: %v", err)
	}
	if _, err := engine.VolumeInspect(t.Context(), c.Mounts[0].Name); !errdefs.IsNotFound(err) {
		t.Errorf("the image's anonymous volume is left: %v", err)
	}
}

func removeImages(t *testing.T, engine *client.Client, ids []string) {
	t.Helper()
	for _, id := range ids {
		if _, err := engine.ImageRemove(cleanup(t), id, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil {
			t.Errorf("remove a pulled image: %v", err)
		}
	}
}

// layerOf is a root file system that holds the program.
func layerOf(t *testing.T, program []byte) []byte {
	t.Helper()
	var layer bytes.Buffer
	files := tar.NewWriter(&layer)
	if err := files.WriteHeader(&tar.Header{Name: dockertest.Program[1:], Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	return layer.Bytes()
}

func compress(t *testing.T, data []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.NoCompression) // quick; the engine does not mind
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }
