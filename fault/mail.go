package fault

// Codes of faults in the mail room; see each entry. That a mail is not there
// is no-such-mail, of the control API.
const (
	MailTooLarge   Code = "mail-too-large"
	MailStoreUnfit Code = "mail-store-unfit"
	MailDamaged    Code = "mail-damaged"
)

func mailEntries() []Entry {
	return []Entry{
		{MailTooLarge, "A mail is too large", "The development mailbox takes mails of at most 10 MiB, as many mail servers do.", "Send a link to what is large instead of the thing itself."},
		{MailStoreUnfit, "The development mailbox cannot keep a mail", "The folder .plat/mail cannot be read or written: it belongs to another user, or the disk is full. The sender was told (452) and may try again.", "Give the user who runs plat permission on .plat/mail, or free space."},
		{MailDamaged, "A mail in the development mailbox is damaged", "The mail's file in .plat/mail was taken away, cut or changed by hand.", "Clear the mailbox, or take the mail's files away."},
	}
}
