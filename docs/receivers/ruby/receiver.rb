# frozen_string_literal: true

# Receives webhooks as a Rack application: verify, keep once, answer at once, work afterwards.
#   WEBHOOK_SECRETS="whsec_..." WEBHOOK_INBOX=./inbox rackup -p 9000      (config.ru)
#   ruby receiver.rb vectors signature-vectors.json
# In Rails: the raw body is request.raw_post, and the action skips the CSRF check.
require "fileutils"
require "json"
require "openssl"
require "tempfile"

$stdout.sync = true

TOLERANCE_SECONDS = 300
SIGNATURES_CHARACTERS_MAX = 4096
BODY_BYTES_MAX = 1024 * 1024
RETRY_SECONDS = 5
FORMS = {
  "webhook-id" => /\A[A-Za-z0-9_-]{1,128}\z/,
  "webhook-timestamp" => /\A[0-9]{1,12}\z/,
  "webhook-signature" => /\A[\x20-\x7e]+\z/
}.freeze

class NotGenuine < StandardError; end

# The webhook-id of a genuine request; names in `headers` are in lower case.
def verify(body, headers, secrets, now)
  id, sent_at, signatures = FORMS.map do |name, form|
    value = headers[name].to_s.b
    raise NotGenuine, "#{name} is missing or malformed" unless form.match?(value)

    value
  end
  raise NotGenuine, "webhook-signature is too long" if signatures.size > SIGNATURES_CHARACTERS_MAX
  raise NotGenuine, "too old or too new" if (now.to_i - sent_at.to_i).abs > TOLERANCE_SECONDS

  matches = secrets.flat_map do |secret|
    # A public key is no secret of HMAC.
    raise ArgumentError, "this example verifies v1 alone, by whsec_" unless secret.start_with?("whsec_")

    key = secret.delete_prefix("whsec_").unpack1("m0")
    raise ArgumentError, "nothing follows whsec_" if key.empty?

    expected = "v1,#{[OpenSSL::HMAC.digest('SHA256', key, "#{id}.#{sent_at}.".b + body.b)].pack('m0')}"
    signatures.split(" ").map { |signature| OpenSSL.secure_compare(signature, expected) }
  end
  raise NotGenuine, "no signature is right" if matches.none?

  id
end

# Keeps each webhook once, durably. In a shop: a table with webhook_id as its primary key.
class Inbox
  def initialize(directory)
    @directory = directory
    @waiting = Queue.new
    FileUtils.mkdir_p(directory)
    Dir.glob("*.json", base: directory).map { |name| File.basename(name, ".json") }.each do |id|
      @waiting << id unless File.exist?(path("#{id}.done"))
    end
    Thread.new { work(@waiting.pop) while true }
  end

  def path(name) = File.join(@directory, name)

  def keep(id, body)
    Tempfile.create("draft", @directory, binmode: true) do |file|
      file.write(body)
      file.fsync
      # Linking is the decision: of two requests at the same moment one succeeds.
      File.link(file.path, path("#{id}.json"))
    end
    File.open(@directory, &:fsync)
    @waiting << id
  rescue Errno::EEXIST
    nil # a repeat
  end

  def work(id)
    event = JSON.parse(File.read(path("#{id}.json"), encoding: "utf-8"))
    # Here an order is released or stopped; docs/receive.md says by which rule.
    puts "work #{id} #{event['type']}"
    FileUtils.touch(path("#{id}.done"))
  rescue StandardError => e
    warn "#{id} is tried again: #{e.message}"
    Thread.new { sleep(RETRY_SECONDS) && @waiting << id }
  end
end

# The Rack application.
class Receiver
  def initialize(inbox, secrets)
    @inbox = inbox
    @secrets = secrets
  end

  def call(env)
    return [404, {}, []] unless env["REQUEST_METHOD"] == "POST" && env["PATH_INFO"] == "/webhooks"

    body = env["rack.input"].read(BODY_BYTES_MAX + 1).to_s # the raw bytes
    return [413, {}, []] if body.bytesize > BODY_BYTES_MAX

    headers = FORMS.to_h { |name, _| [name, env["HTTP_#{name.upcase.tr('-', '_')}"]] }
    @inbox.keep(verify(body, headers, @secrets, Time.now), body)
    [204, {}, []] # the same for a repeat
  rescue NotGenuine
    [401, {}, []]
  end
end

if ARGV[0] == "vectors"
  JSON.parse(File.read(ARGV[1], encoding: "utf-8"))["vectors"].each do |vector|
    headers = vector["headers"].transform_keys(&:downcase)
    verify(vector["body"], headers, vector["secrets"], Time.at(vector["now"]))
    puts "valid #{vector['name']}"
  rescue NotGenuine
    puts "invalid #{vector['name']}"
  end
end
