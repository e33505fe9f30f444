//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program is a command that runs this program, with a store of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	// The test binary is the program under its name; whatever is started inside finds
	// it, too.
	require.NoError(t, os.Symlink(exe, filepath.Join(dir, "rtest-report")))
	store := filepath.Join(dir, "store")
	require.NoError(t, os.Mkdir(store, 0o700))
	c := exec.Command(exe, args...)
	c.Args[0] = "rtest-report"
	c.Dir = dir
	c.Env = append(os.Environ(), "RTEST_URL=file://"+store, "PATH="+dir+":"+os.Getenv("PATH"), "PS1=$ ", "GORACE=atexit_sleep_ms=0")
	return c
}

// again is another command in the same place.
func again(c *exec.Cmd, args ...string) *exec.Cmd {
	d := exec.Command(c.Path, args...)
	d.Args[0], d.Dir, d.Env = "rtest-report", c.Dir, c.Env
	return d
}

// eventually waits until something is so; the limit of the test binary ends it.
func eventually(so func() bool) {
	for !so() {
		time.Sleep(5 * time.Millisecond) // nothing tells of it
	}
}

// running starts lock with a command that has a child of its own, and returns when
// both run and the watcher watches.
func running(t *testing.T, lock *exec.Cmd) (command, child int) {
	t.Helper()
	out, err := lock.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, lock.Start())
	t.Cleanup(func() { _ = lock.Process.Kill(); _ = lock.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscan(line, &command, &child)
	require.NoError(t, err, line)
	go io.Copy(io.Discard, out)
	eventually(func() bool {
		return exec.Command("pgrep", "-f", watchCommand+" "+strconv.Itoa(command)+" ").Run() == nil
	})
	return command, child
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	// One that has ended, and that nobody waits for, is no more.
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

const withChild = `sleep 1000 & echo $$ $!; wait`

// A lock that is killed takes the command with it, and what that started: nobody
// else can know that they still use what the next one is given.
func TestLockKilled(t *testing.T) {
	lock := program(t, "lock", "b1", "--", "sh", "-c", withChild)
	command, child := running(t, lock)
	require.NoError(t, lock.Process.Kill())
	eventually(func() bool { return !alive(command) && !alive(child) })
	out, err := again(lock, "lock", "--wait", "10s", "b1", "--", "echo", "next").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "next")
}

// The kernel alone ends the command of a lock that is killed at once, before
// anybody watches.
func TestLockKilledAtOnce(t *testing.T) {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		t.Skip("only Linux kills a child with its parent")
	}
	lock := program(t, "lock", "b1", "--", "sh", "-c", "echo $$; exec sleep 1000")
	out, err := lock.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, lock.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	command, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.NoError(t, lock.Process.Kill())
	eventually(func() bool { return !alive(command) })
	_ = lock.Wait()
}

// A lock that is stopped for longer than its lease lives cannot end its command;
// the watcher does. When it goes on, it says that it lost the lease.
func TestLockStopped(t *testing.T) {
	lock := program(t, "lock", "--ttl", "1s", "--grace", "5s", "b1", "--", "sh", "-c",
		`trap 'echo ended >ended; exit 0' TERM; `+withChild)
	var stderr bytes.Buffer
	lock.Stderr = &stderr
	command, child := running(t, lock)
	require.NoError(t, lock.Process.Signal(syscall.SIGSTOP))
	ended := filepath.Join(lock.Dir, "ended")
	eventually(func() bool { _, err := os.Stat(ended); return err == nil })
	eventually(func() bool { return !alive(child) })
	out, err := again(lock, "lock", "--wait", "20s", "b1", "--", "echo", "next").CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, lock.Process.Signal(syscall.SIGCONT))
	err = lock.Wait()
	assert.Equal(t, exitLost, lock.ProcessState.ExitCode(), "%v: %s", err, stderr.String())
	assert.False(t, alive(command))
	assert.Contains(t, stderr.String(), "lease on b1: ")
	assert.Contains(t, stderr.String(), "lock does not say that it renewed it")
}

// What the command has started dies, too, and before somebody else gets what it uses,
// even if it has closed everything that it was handed down, as Python has it.
func TestLockKilledWithGrandchild(t *testing.T) {
	for _, watched := range []bool{false, true} {
		t.Run(fmt.Sprint("watched ", watched), func(t *testing.T) {
			lock := program(t, "lock", "b1", "--", "sh", "-c", `orphan & echo $$ $!; wait`)
			require.NoError(t, os.Symlink(lock.Path, filepath.Join(lock.Dir, "orphan")))
			out, err := lock.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, lock.Start())
			r := bufio.NewReader(out)
			var command, child int
			_, err = fmt.Fscan(r, &command, &child)
			require.NoError(t, err)
			closed := filepath.Join(lock.Dir, "closed")
			eventually(func() bool { _, err := os.Stat(closed); return err == nil })
			eventually(func() bool { return strings.HasPrefix(commandOf(child), "sleep") })
			if watched {
				eventually(func() bool {
					return exec.Command("pgrep", "-f", watchCommand+" "+strconv.Itoa(command)+" ").Run() == nil
				})
			}
			require.NoError(t, lock.Process.Kill())
			_ = lock.Wait()
			next, err := again(lock, "lock", "b1", "--", "sh", "-c", fmt.Sprintf(`case $(ps -o stat= -p %d) in ""|Z*) echo it is gone;; esac`, child)).CombinedOutput()
			require.NoError(t, err, string(next))
			assert.Contains(t, string(next), "it is gone")
		})
	}
}

// commandOf is what a process runs.
func commandOf(pid int) string {
	out, _ := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return string(out)
}

func init() { programs["orphan"] = orphan }

// orphan sleeps, without the descriptors that it was handed down.
func orphan() {
	for fd := 3; fd < 1024; fd++ {
		syscall.CloseOnExec(fd)
	}
	_ = os.WriteFile("closed", nil, 0o600)
	sleep, err := exec.LookPath("sleep")
	if err == nil {
		err = syscall.Exec(sleep, []string{"sleep", "1000"}, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A terminal is one that a test types into.
type terminal struct {
	*os.File
	mu  sync.Mutex
	out bytes.Buffer
}

func openTerminal(t *testing.T, c *exec.Cmd) *terminal {
	t.Helper()
	blocking, err := pty.Start(c)
	require.NoError(t, err)
	// One that can be closed while somebody reads from it.
	fd, err := syscall.Dup(int(blocking.Fd()))
	require.NoError(t, err)
	blocking.Close()
	require.NoError(t, syscall.SetNonblock(fd, true))
	f := os.NewFile(uintptr(fd), "terminal")
	term := &terminal{File: f}
	t.Cleanup(func() { f.Close(); _ = c.Process.Kill() })
	go func() {
		b := make([]byte, 1024)
		for {
			n, err := f.Read(b)
			term.mu.Lock()
			term.out.Write(b[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return term
}

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.String()
}

// types writes something, and waits until the terminal shows words n times.
func (term *terminal) types(t *testing.T, keys, words string) {
	t.Helper()
	before := strings.Count(term.text(), words)
	_, err := io.WriteString(term, keys)
	require.NoError(t, err)
	deadline := time.Now().Add(time.Minute)
	for strings.Count(term.text(), words) <= before {
		if time.Now().After(deadline) {
			t.Fatalf("%q does not show %q:\n%s", keys, words, term.text())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// lock -- bash is a shell: it reads the terminal, ^C is for what runs in it, and
// its exit code comes back.
func TestLockShell(t *testing.T) {
	needs(t, "bash")
	lock := program(t, "lock", "b1", "--", "bash", "--norc", "--noprofile", "-i")
	term := openTerminal(t, lock)
	term.types(t, "", "$ ")
	term.types(t, "echo $((40+2)) $RTEST_KEYS\r", "42 b1")
	term.types(t, "sh -c 'echo rea''dy; exec sleep 1000'\r", "ready")
	term.types(t, "\x03", "^C")
	term.types(t, "echo $((50+2))\r", "52")
	term.types(t, "sh -c 'echo rea''dy; exec sleep 1000'\r", "ready")
	term.types(t, "\x1a", "Stopped")
	// A shell with a job that still is stopped does not exit.
	term.types(t, "kill %1; wait -f %1; echo $((60+2))\r", "62")
	_, err := io.WriteString(term, "exit 3\r")
	require.NoError(t, err)
	_ = lock.Wait()
	assert.Equal(t, 3, lock.ProcessState.ExitCode(), term.text())
}

// In a shell with job control, lock can be stopped and goes on, and the terminal
// changes hands each time.
func TestLockJobControl(t *testing.T) {
	needs(t, "bash")
	shell := program(t)
	shell.Path, shell.Args = lookPath(t, "bash"), []string{"bash", "--norc", "--noprofile", "-i"}
	term := openTerminal(t, shell)
	term.types(t, "", "$ ")
	term.types(t, "rtest-report lock b1 -- sh -c 'echo rea''dy; cat; echo cat: $?'\r", "ready")
	// A key that comes while sh starts cat is lost on sh: cat has to be there.
	term.types(t, "is it there\r", "is it there\r\nis it there")
	term.types(t, "\x1a", "Stopped")
	term.types(t, "echo $((40+2))\r", "42")
	term.types(t, "fg\r", "rtest-report lock b1") // the shell says what goes on
	term.types(t, "some words\r", "some words\r\nsome words")
	term.types(t, "\x04", "cat: 0")
	term.types(t, "echo code $?\r", "code 0")
	// ^C ends the command, and with it lock.
	term.types(t, "rtest-report lock b1 -- sh -c 'echo rea''dy; exec sleep 1000'\r", "ready")
	term.types(t, "\x03", "^C")
	term.types(t, "echo code $?\r", "code 130")
	// In the background it does not get what is typed, but in the foreground again.
	term.types(t, "rtest-report lock b1 -- sh -c 'read x; echo got $x' &\r", "$ ")
	before := strings.Count(term.text(), "Stopped")
	eventually(func() bool { // the shell tells it with a prompt only
		term.types(t, "echo asked\r", "asked\r\n")
		return strings.Count(term.text(), "Stopped") > before
	})
	term.types(t, "fg\r", "rtest-report lock b1")
	term.types(t, "it\r", "got it")
	term.types(t, "exit\r", "exit")
}

// A terminal that is closed ends all.
func TestLockTerminalClosed(t *testing.T) {
	lock := program(t, "lock", "b1", "--", "sh", "-c", `echo pids $$ ; cat; sleep 1000`)
	term := openTerminal(t, lock)
	term.types(t, "", "pids ")
	var command int
	eventually(func() bool {
		_, rest, _ := strings.Cut(term.text(), "pids ")
		n, _ := fmt.Sscan(rest, &command)
		return n == 1 && strings.Contains(rest, "\n")
	})
	require.NoError(t, term.Close())
	_ = lock.Wait()
	eventually(func() bool { return !alive(command) })
	out, err := again(lock, "lock", "--wait", "0", "b1", "--", "true").CombinedOutput()
	require.NoError(t, err, string(out))
}

func needs(t *testing.T, name string) { t.Helper(); lookPath(t, name) }

func lookPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s in PATH", name)
	}
	return path
}
