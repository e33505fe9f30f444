package environ

import (
	"errors"
	"os"
	"path/filepath"
)

// start is what was true when the process started.
var start = func() (s struct {
	vars       map[string]string
	cache      string
	cacheErr   error
	temp, work string
	workErr    error
}) {
	s.vars = initial()
	if s.vars == nil {
		s.vars = vars(os.Environ())
		s.cache, s.cacheErr = os.UserCacheDir()
		s.temp = os.TempDir()
	} else {
		s.cache, s.cacheErr = cacheDir(s.vars)
		s.temp = s.vars["TMPDIR"]
		if s.temp == "" {
			s.temp = "/tmp"
		}
	}
	s.work, s.workErr = os.Getwd()
	return s
}()

// vars is a list of NAME=VALUE as a map. Of a name that is there twice, the first
// counts, as everywhere in Go.
func vars(list []string) map[string]string {
	m := make(map[string]string, len(list))
	for _, v := range list {
		// A name may begin with =, on Windows.
		for i := 1; i < len(v); i++ {
			if v[i] == '=' {
				if _, twice := m[v[:i]]; !twice {
					m[v[:i]] = v[i+1:]
				}
				break
			}
		}
	}
	return m
}

// cacheDir is os.UserCacheDir of Linux for given variables.
func cacheDir(vars map[string]string) (string, error) {
	if dir := vars["XDG_CACHE_HOME"]; dir != "" {
		if !filepath.IsAbs(dir) {
			return "", errors.New("path in $XDG_CACHE_HOME is relative")
		}
		return dir, nil
	}
	if home := vars["HOME"]; home != "" {
		return home + "/.cache", nil
	}
	return "", errors.New("neither $XDG_CACHE_HOME nor $HOME are defined")
}

// CacheDir is [os.UserCacheDir] when the process started.
func CacheDir() (string, error) { return start.cache, start.cacheErr }

// TempDir is [os.TempDir] when the process started.
func TempDir() string { return start.temp }

// WorkDir is the working directory when the process started.
func WorkDir() (string, error) { return start.work, start.workErr }
