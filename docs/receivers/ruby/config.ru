# frozen_string_literal: true

require_relative "receiver"

run Receiver.new(Inbox.new(ENV.fetch("WEBHOOK_INBOX")), ENV.fetch("WEBHOOK_SECRETS").split)
