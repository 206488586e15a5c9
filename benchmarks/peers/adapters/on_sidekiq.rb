# frozen_string_literal: true

# Sidekiq at its defaults, on hiredis: BRPOP takes a job for good, so that a killed process loses what it runs
# (its "super fetch", which would not, is sold as Sidekiq Pro), and no results are stored. It does what
# driver.py does, itself; there are no coroutines, so `callers` is missing:
#
#     ruby on_sidekiq.rb VERB ...           send, bulk, fill, ping, stored, workers, versions
#     sidekiq -r ./on_sidekiq.rb            one worker process
#
# A job is a thread's turn under Ruby's global lock.

require "hiredis"
require "json"
require "sidekiq"

WARM_UP = 20 # pings that are not counted
PAUSE = 0.005 # seconds between a start and the next ping
LOOK = 0.002
PATIENCE = 30.0
FOLDER = ENV.fetch("BENCH_TICKS", ".")
FLUSH = Float(ENV.fetch("BENCH_FLUSH", "0.05")) # seconds that moments stay in memory
SIZE = 8 # bytes of one

# Return how many processes of so many threads are started.
def sidekiq(processes, threads)
  [["sidekiq", "-r", "./on_sidekiq.rb", "-c", threads.to_s]] * processes
end

WORKERS = [
  { setting: "1 process of 10 threads", for: ["noop"], commands: sidekiq(1, 10) },
  { setting: "2 processes of 10 threads", for: ["noop"], commands: sidekiq(2, 10) },
  { setting: "2 processes of 50 threads", for: ["nap"], commands: sidekiq(2, 50) },
  { setting: "1 process of 10 threads", for: ["ping"], commands: sidekiq(1, 10), env: { BENCH_FLUSH: "0" } }
].freeze

# When each job's code ran.
module Ticks
  MOMENTS = []

  # Return CLOCK_MONOTONIC in seconds.
  def self.now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  # Note that a job's code runs now.
  def self.tick
    MOMENTS << now
    flush if FLUSH.zero?
  end

  # Append the noted moments to this process's file, again and again.
  def self.keep_flushing
    Thread.new do
      loop do
        sleep FLUSH
        flush
      end
    end
  end

  # Append them once; `shift` takes them in one step that no other thread interrupts.
  def self.flush
    bytes = MOMENTS.shift(MOMENTS.size).pack("E*")
    File.binwrite(File.join(FOLDER, "#{Process.pid}.ticks"), bytes, mode: "ab") unless bytes.empty?
  end

  # Return the files of all processes.
  def self.files
    Dir.glob(File.join(FOLDER, "*.ticks"))
  end

  # Read the moments of all processes, sorted.
  def self.all
    files.flat_map { |file| File.binread(file).unpack("E*") }.sort
  end

  # Count them.
  def self.count
    files.sum { |file| File.size(file) / SIZE }
  end
end

# Nothing.
class Noop
  include Sidekiq::Job

  def perform
    Ticks.tick
  end
end

# Wait.
class Nap
  include Sidekiq::Job

  def perform
    Ticks.tick
    sleep 0.01
  end
end

TASKS = { "noop" => Noop, "nap" => Nap }.freeze

# What driver.py does.
module Driver
  module_function

  # Return how long the block took.
  def timed
    started = Ticks.now
    yield
    { seconds: Ticks.now - started }
  end

  # Enqueue one by one.
  def send_each(count, task = "noop")
    timed { Integer(count).times { TASKS.fetch(task).perform_async } }
  end

  # Enqueue by the call for many, which sends 1,000 at once.
  def bulk(count, task = "noop")
    timed { TASKS.fetch(task).perform_bulk(Array.new(Integer(count)) { [] }) }
  end

  # Enqueue one at a time, each when the last one has started, and return how long each took to start.
  def ping(count, task = "noop")
    sent = (1..WARM_UP + Integer(count)).map do |number|
      moment = Ticks.now
      TASKS.fetch(task).perform_async
      wait_for(number)
      sleep PAUSE
      moment
    end
    { latencies: Ticks.all.zip(sent).map { |started, moment| started - moment }.drop(WARM_UP) }
  end

  # Wait until so many jobs have started.
  def wait_for(number)
    deadline = Ticks.now + PATIENCE
    loop do
      sleep LOOK
      return if Ticks.count >= number
      raise "task #{number} did not start within #{PATIENCE} s" if Ticks.now > deadline
    end
  end

  # Say that no results are kept.
  def stored
    { stored: nil }
  end

  # Say what can be measured, and how workers are started.
  def workers
    { verbs: ["bulk"], workers: WORKERS }
  end

  # Return the versions that matter.
  def versions
    { sidekiq: Sidekiq::VERSION, redis: Redis::VERSION, hiredis: Hiredis::VERSION, ruby: RUBY_VERSION }
  end

  VERBS = {
    "send" => :send_each, "bulk" => :bulk, "fill" => :bulk, "ping" => :ping,
    "stored" => :stored, "workers" => :workers, "versions" => :versions
  }.freeze

  # Run what the command line asks for.
  def main(verb, *words)
    puts JSON.generate(public_send(VERBS.fetch(verb), *words))
  end
end

Redis.silence_deprecations = true # else it prints one for each job that Sidekiq 6 takes
STORE = { url: ENV.fetch("BENCH_URL"), driver: :hiredis }.freeze

Sidekiq.configure_client { |config| config.redis = STORE }

Sidekiq.configure_server do |config|
  config.logger.level = Logger::ERROR
  config.redis = STORE
  config.on(:startup) { Ticks.keep_flushing } unless FLUSH.zero?
end

Driver.main(*ARGV) if $PROGRAM_NAME == __FILE__
