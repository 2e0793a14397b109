// SPDX-License-Identifier: MPL-2.0

package nbd

// Numbers from doc/proto.md of the NBD project, all big-endian on the wire.
const (
	magicServer  = 0x4e42444d41474943 // NBDMAGIC
	magicOption  = 0x49484156454f5054 // IHAVEOPT
	magicAnswer  = 0x0003e889045565a9
	magicRequest = 0x25609513
	magicReply   = 0x67446698

	flagFixedNewstyle = 1 << 0 // in the handshake, both sides
	flagNoZeroes      = 1 << 1

	optExportName = 1
	optAbort      = 2
	optList       = 3
	optInfo       = 6
	optGo         = 7

	answerAck     = 1
	answerServer  = 2
	answerInfo    = 3
	answerUnsup   = 1<<31 + 1
	answerInvalid = 1<<31 + 3

	infoExport    = 0
	infoBlockSize = 3

	exportHasFlags    = 1 << 0
	exportReadOnly    = 1 << 1
	exportFlush       = 1 << 2
	exportFUA         = 1 << 3
	exportTrim        = 1 << 5
	exportWriteZeroes = 1 << 6

	cmdRead        = 0
	cmdWrite       = 1
	cmdDisconnect  = 2
	cmdFlush       = 3
	cmdTrim        = 4
	cmdWriteZeroes = 6

	errnoPerm  = 1
	errnoIO    = 5
	errnoInval = 22
	errnoSpace = 28
)

// request is a client's request; a write's data follow.
type request struct {
	Magic  uint32
	Flags  uint16
	Type   uint16
	Handle uint64
	Offset uint64
	Length uint32
}

// reply is the answer to a request; a read's data follow.
type reply struct {
	Magic  uint32
	Error  uint32
	Handle uint64
}

// option is what the client asks for in the handshake; its data follow.
type option struct {
	Magic  uint64
	Option uint32
	Length uint32
}

// answer is the server's reply to an option; its data follow.
type answer struct {
	Magic  uint64
	Option uint32
	Type   uint32
	Length uint32
}
