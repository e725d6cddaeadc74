// Package process runs services as processes of this machine: it builds them
// with the go command or their own, starts them through the guard, holds them
// to their limits and writes their logs. It is the door of runner to the
// operating system: the only package that forks (but for a question to git in
// runner/watch), kills, and reads /proc.
//
// A program that opens a Guard must call GuardMain as the first statement of
// its main function. The package may import runner, plan and fault, and must
// never import another room.
package process
