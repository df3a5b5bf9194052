package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/google/uuid"
)

// program is the test program's package; see its comment for what it can do.
const program = "cube/worker/docker/dockertest/testdata/program"

// Program is where the test program is inside the image, and the image's
// ENTRYPOINT: a task's Command is the program's arguments.
const Program = "/program"

// Build builds the test program, statically, and returns its path.
func Build(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", path, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the test program: %v\n%s", err, out)
	}
	return path
}

// Image makes an image that holds the test program and nothing else, and
// returns its name. It is removed at the end of the test, so a container of
// the image has to be gone by then: call Image before [Owner].
func Image(t testing.TB) string {
	t.Helper()
	engine := Client(t)
	return Import(t, engine, Build(t))
}

// Import makes an image of a program that was built before, and returns its
// name; see [Image]. Changes are lines of a Dockerfile, such as "USER 7".
func Import(t testing.TB, engine *client.Client, path string, changes ...string) string {
	t.Helper()
	name := "cube-test:" + uuid.NewString()
	t.Cleanup(func() { removeImage(t, engine, name) })
	load(t, engine, path, name, changes...)
	return name
}

// load makes the image.
func load(t testing.TB, engine *client.Client, path, name string, changes ...string) {
	t.Helper()
	files, err := archive(path)
	if err != nil {
		t.Fatalf("pack the test image: %v", err)
	}
	account, err := engine.ImageImport(t.Context(), image.ImportSource{Source: files, SourceName: "-"}, name,
		image.ImportOptions{Changes: append([]string{`ENTRYPOINT ["` + Program + `"]`}, changes...)})
	if err != nil {
		t.Fatalf("import the test image: %v", err)
	}
	// The import is done when its account is.
	if _, err := io.Copy(io.Discard, account); err != nil {
		t.Fatalf("import the test image: %v", err)
	}
	if err := account.Close(); err != nil {
		t.Fatalf("import the test image: %v", err)
	}
}

func removeImage(t testing.TB, engine *client.Client, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
	defer cancel()
	if _, err := engine.ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: true}); err != nil {
		t.Errorf("remove the test image: %v", err)
	}
}

// archive packs the program into a root file system.
func archive(path string) (io.Reader, error) {
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	files := tar.NewWriter(&packed)
	if err := files.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}); err != nil {
		return nil, err
	}
	if err := files.WriteHeader(&tar.Header{Name: Program[1:], Mode: 0o755, Size: int64(len(binary))}); err != nil {
		return nil, err
	}
	if _, err := files.Write(binary); err != nil {
		return nil, err
	}
	if err := files.Close(); err != nil {
		return nil, fmt.Errorf("end the archive: %w", err)
	}
	return &packed, nil
}
