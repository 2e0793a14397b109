// SPDX-License-Identifier: MPL-2.0

// Package nbd serves a block device to one client over a connection, with the fixed newstyle
// handshake and simple replies of the NBD protocol. It leaves out several exports, structured
// replies, TLS, and the oldstyle handshake.
package nbd
