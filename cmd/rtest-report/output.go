package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// bindOutput adds the flag of a subcommand that writes one file.
func bindOutput(cmd *cobra.Command, out *string) {
	cmd.Flags().StringVarP(out, "output", "o", "", "write to `FILE` instead of standard output")
}

// finish writes what was made, and then tells what could not be used for it.
func finish(cmd *cobra.Command, in *input, out string, data []byte) error {
	if err := writeOutput(cmd, out, writing(data)); err != nil {
		return err
	}
	return in.done(cmd)
}

// writing is a function for writeOutput that writes data.
func writing(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	}
}

// writeOutput calls write with standard output if path is empty or "-", else
// with what becomes the file path. Every subcommand that writes a file comes
// here.
func writeOutput(cmd *cobra.Command, path string, write func(io.Writer) error) error {
	// By the descriptor that is open: what goes through another one does not move the place at
	// which the next command writes, which would write over it.
	switch path {
	case "", "-", "/dev/stdout":
		return write(cmd.OutOrStdout())
	case "/dev/stderr":
		return write(cmd.ErrOrStderr())
	}
	return writeFile(path, write)
}

// writeFile makes path a file with what write writes. The file at path may be
// one that write still reads.
//
// It does what a shell's > does, as far as others can see: a symbolic link stays
// a link, and the file that it points to is written, even if that is yet to be
// made; a FIFO or a device gets the bytes; an existing file keeps its owner, its
// mode and its other names; a file that may not be written is an error. Beyond >,
// a reader finds the old file or the new one, never a half, wherever a new file
// can take the place of the old one. It cannot where the file is a mount point of
// its own or has several names, where its directory may not be changed, or where
// its owner cannot be given to a new file; there the bytes are copied into it,
// once they are all made.
func writeFile(path string, write func(io.Writer) error) error {
	real, info, err := followLinks(path)
	if err != nil {
		return explained(path, err)
	}
	switch {
	case info == nil:
		return explained(path, create(real, write))
	case info.IsDir():
		return explained(path, errors.New("it is a directory"))
	case !info.Mode().IsRegular() || ofProcess(real):
		return explained(path, stream(real, write))
	}
	return explained(path, replace(real, info, write))
}

// explained names the path that the user gave, once.
func explained(path string, err error) error {
	if err == nil {
		return nil
	}
	// The error may name the temporary file beside it, of which the user knows nothing.
	var p *fs.PathError
	if errors.As(err, &p) && errors.Is(p, err) && (p.Path == path || filepath.Dir(p.Path) == filepath.Dir(path)) {
		err = p.Err
	}
	return fmt.Errorf("writing %s: %w", path, err)
}

// linksMax bounds a chain of links, which may be a circle.
const linksMax = 40

// followLinks finds the file behind a chain of symbolic links. info is nil when
// nothing is there yet.
func followLinks(path string) (real string, info os.FileInfo, err error) {
	for range linksMax {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil, nil
		}
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, info, err
		}
		if ofProcess(path) {
			// What it points to may have no name, such as a pipe.
			info, err := os.Stat(path)
			return path, info, err
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path, nil, errors.New("too many symbolic links, maybe a circle")
}

// ofProcess reports whether a path stands for something that a process has open,
// as /dev/fd/3 does.
func ofProcess(path string) bool {
	return runtime.GOOS != "windows" && (strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/"))
}

// create makes a file that was not there. It gets its name when it is complete.
func create(path string, write func(io.Writer) error) error {
	t, err := tempBeside(path, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(t.Name()) // gone already if all went well
	if err := fill(t, write); err != nil {
		return err
	}
	return os.Rename(t.Name(), path)
}

// fill writes and closes f.
func fill(f *os.File, write func(io.Writer) error) error {
	err := write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// tempBeside makes a file with a name of its own in the directory of path: a rename does not
// lead from one file system to another. The umask of the process applies, as to any file
// that it makes.
func tempBeside(path string, mode os.FileMode) (*os.File, error) {
	for range 100 {
		name := filepath.Join(filepath.Dir(path), ".rtest-"+rand.Text())
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, errors.New("no free name for a temporary file")
}

// stream gives a FIFO or a device the bytes as they come.
func stream(path string, write func(io.Writer) error) error {
	// At the end, as /dev/fd/3 may be a file into which others write as well.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	return fill(f, write)
}

// replace puts a new file in the place of an old one, or copies the bytes into
// the old one where that would change more than its content.
func replace(path string, old os.FileInfo, write func(io.Writer) error) error {
	// A rename would get past the permissions of the file.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	f.Close()
	// Nobody else may read the new content before the file has the mode of the old one.
	t, err := tempBeside(path, 0o600)
	beside := err == nil
	if !beside {
		if t, err = os.CreateTemp("", "rtest-report-*"); err != nil {
			return err
		}
	}
	defer os.Remove(t.Name()) // gone already if it took the place
	if err := fill(t, write); err != nil {
		return err
	}
	// A rename fails where the file is a mount point. Into the old file goes only what is all made:
	// an error of write has ended before.
	if beside && likeness(t.Name(), old) == nil && os.Rename(t.Name(), path) == nil {
		return nil
	}
	return copyInto(path, t.Name())
}

// copyInto gives the file path the content of another.
func copyInto(path, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	return fill(out, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}
