//go:build unix

package judge

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The use of a killed process is over when it is seen dead, even if a child of it lives
// on and has its files.
func TestAKilledProcessUsesNothing(t *testing.T) {
	if file := os.Getenv("JUDGE_TAKE"); file != "" {
		if _, err := Take(file, false); err != nil {
			t.Fatal(err)
		}
		child := exec.Command("sh", "-c", "echo $$; exec sleep 1000")
		child.ExtraFiles = []*os.File{taken.by[file].file}
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	file := filepath.Join(t.TempDir(), "board 1")
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "JUDGE_TAKE="+file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Fscan(bufio.NewReader(out), &child); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p, err := os.FindProcess(child); err == nil {
			p.Kill()
		}
	}()
	if _, err := Take(file, true); !errors.Is(err, ErrInUse) {
		t.Errorf("it lives, and Take says %v", err)
	}
	cmd.Process.Kill()
	cmd.Process.Wait()
	done, err := Take(file, false)
	if err != nil {
		t.Fatalf("it was killed: %v", err)
	}
	if _, err := Take(file, true); !errors.Is(err, ErrInUse) {
		t.Errorf("this process has it, and Take says %v", err)
	}
	done()
	done()
	for range 2 { // the file is there, and then deleted
		for range 2 {
			if done, err = Take(file, true); err != nil {
				t.Fatal(err)
			}
			defer done()
		}
		done()
		if _, err := Take(file, false); !errors.Is(err, ErrInUse) {
			t.Errorf("one of two readers is left, and Take says %v", err)
		}
		file += " again"
	}
}
