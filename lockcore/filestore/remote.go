package filestore

import "strings"

// Folders that a virtual machine shares with its host (9p, virtiofs, vboxsf,
// vmhgfs) are not refused, although another machine may see them too: whole
// container runtimes keep everything on such a file system, and their locks do
// hold between the processes of the guest.

// remoteFuse are the user-space file systems that reach over the network. FUSE
// alone says nothing: encrypted homes and NTFS disks use it too.
var remoteFuse = map[string]bool{
	"sshfs": true, "s3fs": true, "gcsfuse": true, "blobfuse": true, "blobfuse2": true, "mount-s3": true, "goofys": true, "geesefs": true,
	"rclone": true, "davfs": true, "davfs2": true, "glusterfs": true, "ceph-fuse": true, "juicefs": true, "moosefs": true, "mfs": true,
	"curlftpfs": true, "smbnetfs": true, "cvmfs2": true, "hdfs": true, "quobyte": true, "seaweedfs": true, "lizardfs": true,
}

// remoteMount finds the mount of a device in the text of /proc/self/mountinfo
// and names it if it is a user-space file system that reaches over the network.
func remoteMount(mountinfo, device string) string {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 3 || len(rest) < 2 || fields[2] != device {
			continue
		}
		_, name, _ := strings.Cut(rest[0], "fuse.")
		switch {
		case remoteFuse[name], remoteFuse[rest[0]]:
			return rest[0]
		case remoteFuse[rest[1]]: // some give their name as the source only
			return "fuse, " + rest[1]
		}
	}
	return ""
}
