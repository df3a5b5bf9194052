package bolt

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
)

// writerPath is the environment variable that makes this test binary a writer
// of the file it names.
const writerPath = "CUBE_TEST_BOLT_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerPath); path != "" {
		fmt.Fprintln(os.Stderr, write(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// write saves records from several goroutines and prints the ID of each once it
// was told that it is on disk. It returns on an error only.
func write(path string) error {
	s, err := Open(path, time.Second)
	if err != nil {
		return err
	}
	errs := make(chan error)
	for range 4 {
		go func() {
			for {
				r := record("x")
				if err := s.Save(r); err != nil {
					errs <- err
					return
				}
				fmt.Println(r.Task.ID)
			}
		}()
	}
	return <-errs
}

// A writer is killed at random moments. What it said was on disk is there.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.db")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	promised := map[uuid.UUID]bool{}
	for range 8 {
		killAfter := 1 + random.IntN(60)
		for _, id := range killedWriter(t, path, killAfter) {
			promised[id] = true
		}
		s := openAt(t, path)
		records, err := s.Load()
		if err != nil {
			t.Fatal(err)
		}
		there := map[uuid.UUID]bool{}
		for _, r := range records {
			there[r.Task.ID] = true
		}
		for id := range promised {
			if !there[id] {
				t.Fatalf("record %v was on disk, and is not any more", id)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killedWriter runs a writer, kills it once it has written so many records, and
// returns all that it said it has written.
func killedWriter(t *testing.T, path string, records int) []uuid.UUID {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), writerPath+"="+path)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // it was killed: an error
	var ids []uuid.UUID
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // what is after the last newline was not said to the end
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, uuid.MustParse(line[:len(line)-1]))
		if len(ids) == records {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(ids) < records {
		t.Fatalf("the writer ended by itself after %d records", len(ids))
	}
	return ids
}
