// SPDX-License-Identifier: MPL-2.0

// Package enginetest has conformance tests for the engine's interfaces, one function for
// each interface, and fakes of them that need neither privileges nor a store. The tests
// of an implementation call the function of its interface.
package enginetest
