package filestore

// openMode says what a file is opened for.
type openMode int

const (
	forTest     openMode = iota // look and test its lock
	forChange                   // read, write and lock
	forCreation                 // the same, and make it if there is none
)
