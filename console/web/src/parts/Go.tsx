import { Anchor, type AnchorProps } from '@mantine/core'
import { createLink } from '@tanstack/react-router'
import { type AnchorHTMLAttributes, forwardRef } from 'react'

type Props = AnchorProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps>

const Text = forwardRef<HTMLAnchorElement, Props>(function Text(props, ref) {
  return <Anchor ref={ref} inherit {...props} />
})

// Go is a link to a page of the console, in the letters around it.
export const Go = createLink(Text)
