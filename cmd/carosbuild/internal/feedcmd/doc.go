// SPDX-License-Identifier: MPL-2.0

// Package feedcmd has the command feed, which shows packages and makes feeds from them.
package feedcmd
