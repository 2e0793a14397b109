// SPDX-License-Identifier: MPL-2.0

// Package record keeps what a file would be if its owner could be stored: user and group
// id, device numbers, and extended attributes of the security and trusted kind.
//
// Of regular files and directories the record is an extended attribute in the format of
// containers/storage: it lives with the file, through renames and copies of a whole tree.
// What cannot have one (symbolic links, fifos, sockets, files of a tmpfs without them) is
// in a table by inode number and time of birth, which is a journal on disk. Modes are
// not recorded: the file has them.
//
// A file without a record is root's.
package record
