package filestore

import (
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// networkFS says so if dir is on another machine, and is empty otherwise.
func networkFS(dir string) string {
	volume := filepath.VolumeName(dir)
	if strings.HasPrefix(volume, `\\`) && !strings.HasPrefix(volume, `\\?\`) && !strings.HasPrefix(volume, `\\.\`) {
		return volume
	}
	root, err := windows.UTF16PtrFromString(volume + `\`)
	if err == nil && windows.GetDriveType(root) == windows.DRIVE_REMOTE {
		return volume
	}
	return ""
}
