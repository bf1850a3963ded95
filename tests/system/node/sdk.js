// FreeClimb's Node SDK 2.1.3 speaks https only: it gets the bridge behind a TLS proxy, calls every
// method that is about voice, answers the webhooks of a call with its own PerCL, and verifies them.

const assert = require('assert')
const fs = require('fs')
const http = require('http')
const https = require('https')
const os = require('os')
const path = require('path')
const { spawn } = require('child_process')

const freeclimb = require(path.join(process.env.NODE_SDK, '@freeclimb/sdk'))

const account = process.env.TUTTI_ACCOUNT
const secret = process.env.TUTTI_SIGNING_SECRET
const sdk = freeclimb(account, process.env.TUTTI_API_KEY)
const { api, percl, utils } = sdk
const nobody = '0'.repeat(40)

main().then(() => process.exit(0), error => {
  console.error(error)
  process.exit(1)
})

async function main () {
  api.setApiUrl(`${await proxy()}/apiserver`)
  const application = await Application.start()

  await accountsAndLogs()
  const app = await applications(application)
  await numbers(app)
  await conferences(application)
  await queues()
  await aCallFromNumberToRecording(application)
  await anOutboundCall(app, application)
  await errors()
  assert.deepStrictEqual(application.offences, [])
}

async function accountsAndLogs () {
  await api.accounts.update(account, { alias: 'node', label: 'sdk' })
  const known = await api.accounts.get(account)
  assert.strictEqual(known.accountId, account)
  assert.strictEqual(known.alias, 'node')
  const logs = await until('requests are logged', async () => {
    const page = await api.logs.get()
    return page.logs.length > 0 && page
  })
  for (const log of logs.logs) {
    assert.ok(['info', 'warning', 'error'].includes(log.level), log.level)
    assert.ok(Number.isInteger(log.timestamp) && typeof log.metadata === 'object')
  }
  const filtered = await api.logs.get({ pql: 'level = "INFO"' })
  assert.ok(filtered.logs.length > 0 && filtered.logs.every(log => log.level === 'info'))
}

async function applications (application) {
  const made = await api.applications.create({
    alias: 'reception',
    voiceUrl: application.url('/voice'),
    callConnectUrl: application.url('/connect'),
    statusCallbackUrl: application.url('/status')
  })
  const found = await api.applications.getList({ alias: 'reception' })
  assert.deepStrictEqual(found.applications.map(one => one.applicationId), [made.applicationId])
  const changed = await api.applications.update(made.applicationId, { alias: 'desk' })
  assert.strictEqual(changed.alias, 'desk')
  assert.strictEqual((await api.applications.get(made.applicationId)).alias, 'desk')
  const spare = await api.applications.create({ alias: 'spare' })
  await api.applications.delete(spare.applicationId)
  await refused(404, () => api.applications.get(spare.applicationId))
  return made.applicationId
}

async function numbers (app) {
  assert.ok(Array.isArray((await api.availableNumbers.getList()).availablePhoneNumbers))
  const bought = await api.incomingNumbers.purchase('+15550100100', { applicationId: app })
  assert.strictEqual(bought.phoneNumber, '+15550100100')
  const changed = await api.incomingNumbers.update(bought.phoneNumberId, { alias: 'main' })
  assert.strictEqual(changed.alias, 'main')
  const listed = await api.incomingNumbers.getList({ alias: 'main' })
  assert.strictEqual(listed.incomingPhoneNumbers[0].phoneNumberId, bought.phoneNumberId)
  const spare = await api.incomingNumbers.purchase('+15550100101')
  await api.incomingNumbers.delete(spare.phoneNumberId)
  await refused(404, () => api.incomingNumbers.get(spare.phoneNumberId))
}

async function conferences (application) {
  const made = await api.conferences.create({
    alias: 'node', playBeep: sdk.enums.playBeep.NEVER, statusCallbackUrl: application.url('/conference')
  })
  assert.strictEqual(made.status, 'empty')
  await api.conferences.update(made.conferenceId, { alias: 'js' })
  assert.strictEqual((await api.conferences.get(made.conferenceId)).alias, 'js')
  for (let n = 0; n < 101; n++) await api.conferences.create()
  let page = await api.conferences.getList({ status: 'empty' })
  let seen = page.conferences.length
  while (page.nextPageUri) {
    page = await api.conferences.getNextPage(page.nextPageUri)
    seen += page.conferences.length
  }
  assert.strictEqual(seen, 102)
  assert.deepStrictEqual((await api.conferences.participants(made.conferenceId).getList()).participants, [])
  await api.conferences.update(made.conferenceId, { status: 'terminated' })
  assert.strictEqual((await api.conferences.get(made.conferenceId)).status, 'terminated')
}

async function queues () {
  const made = await api.queues.create({ alias: 'support', maxSize: 7 })
  assert.strictEqual(made.maxSize, 7)
  const changed = await api.queues.update(made.queueId, { alias: 'sales' })
  assert.strictEqual(changed.alias, 'sales')
  assert.strictEqual((await api.queues.get(made.queueId)).currentSize, 0)
  assert.strictEqual((await api.queues.getList({ alias: 'sales' })).queues[0].queueId, made.queueId)
  const members = api.queues.members(made.queueId)
  assert.deepStrictEqual((await members.getList()).queueMembers, [])
  await refused(404, () => members.getFront())
  await refused(404, () => members.dequeueFront())
  await refused(404, () => members.get('CA' + nobody))
}

async function aCallFromNumberToRecording (application) {
  const queue = (await api.queues.create({ alias: 'calls' })).queueId
  let conference
  application.answer('/voice', () => percl.build(
    percl.say('Please wait.', { language: sdk.enums.language.ENGLISH_US }),
    percl.enqueue(queue, application.url('/taken'), application.url('/wait'), application.url('/queued'))
  ))
  application.answer('/wait', () => percl.build(percl.pause(60000)))
  application.answer('/taken', () => percl.build(
    percl.createConference(application.url('/created'), { record: true, playBeep: 'never' })
  ))
  application.answer('/created', told => {
    conference = told.conferenceId
    return percl.build(percl.addToConference(conference, told.callId, {
      notificationUrl: application.url('/joined'), leaveConferenceUrl: application.url('/left')
    }))
  })
  application.answer('/left', () => percl.build(percl.hangup({ reason: 'over' })))

  const phone = new Phone('+15550100100')
  const waits = await application.told('/wait')
  assert.strictEqual(waits.queueId, queue)
  assert.strictEqual(waits.queuePosition, '1')
  const members = api.queues.members(queue)
  assert.strictEqual((await members.getFront()).callId, waits.callId)
  assert.strictEqual((await members.get(waits.callId)).position, 1)
  assert.strictEqual((await members.getList()).queueMembers.length, 1)
  assert.strictEqual((await members.dequeue(waits.callId)).callId, waits.callId)
  assert.strictEqual((await application.told('/taken')).queueResult, 'dequeued')

  await application.told('/joined')
  const participants = api.conferences.participants(conference)
  const call = waits.callId
  assert.strictEqual((await participants.getList()).participants[0].callId, call)
  assert.strictEqual((await participants.update(call, { talk: false })).talk, false)
  assert.strictEqual((await participants.get(call)).talk, false)
  assert.strictEqual((await api.calls.get(call)).status, 'inProgress')
  assert.strictEqual((await api.calls.getList({ active: true })).calls.length, 1)
  await participants.delete(call)
  await application.told('/left')
  assert.strictEqual((await application.told('/status')).callEndedReason, 'appHangup')
  await phone.ended

  const recordings = await until('the recording is ready', async () => {
    const page = await api.recordings.getList({ conferenceId: conference })
    return page.recordings.length === 2 && page.recordings
  })
  const mix = recordings.find(recording => !recording.callId)
  assert.strictEqual((await api.recordings.get(mix.recordingId)).conferenceId, conference)
  const file = path.join(os.tmpdir(), `tutti-${process.pid}.wav`)
  await api.recordings.download(mix.recordingId, file)
  await until('the file is written', () => fs.existsSync(file) && fs.statSync(file).size > 44)
  assert.strictEqual(fs.readFileSync(file).subarray(0, 4).toString(), 'RIFF')
  fs.unlinkSync(file)
  await api.recordings.stream(mix.recordingId)
  await api.recordings.delete(mix.recordingId)
  await refused(404, () => api.recordings.get(mix.recordingId))
}

async function anOutboundCall (app, application) {
  application.answer('/connect', () => percl.build(
    percl.sendDigits('12#'), percl.startRecordCall(), percl.pause(300), percl.hangup()
  ))
  const made = await api.calls.create(process.env.CALLEE, '+15550100100', app, { timeout: 20 })
  assert.strictEqual(made.status, 'queued')
  const connected = await application.told('/connect')
  assert.strictEqual(connected.callId, made.callId)
  assert.strictEqual(connected.dialCallStatus, 'inProgress')
  const end = await application.told('/status', told => told.callId === made.callId)
  assert.strictEqual(end.callStatus, 'completed')
  assert.ok(end.recordingId, 'the call was recorded')
  await refused(404, () => api.calls.update(made.callId, 'completed'))
}

async function errors () {
  await refused(404, () => api.conferences.get('CF' + nobody))
  await refused(404, () => api.calls.get('CA' + nobody))
  await refused(400, () => api.calls.create('12', '+15550100100', 'AP' + nobody))
  await refused(400, () => api.logs.get({ pql: 'level >' }))
  const stranger = freeclimb(account, 'f'.repeat(40))
  await refused(401, () => stranger.api.accounts.get(account))
  await assert.rejects(() => api.messages.create('+15550100100', '+15550109999', 'hi'))
}

async function refused (status, call) {
  await assert.rejects(call, error => {
    assert.ok(error.message.includes(`(${status} `), error.message)
    return true
  })
}

async function until (what, probe) {
  const deadline = Date.now() + 30000
  for (;;) {
    const answer = await probe()
    if (answer) return answer
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

// Lets https in and passes it on as http.
async function proxy () {
  const target = new URL(process.env.TUTTI_HOST)
  const identity = {
    key: fs.readFileSync(process.env.TLS_KEY), cert: fs.readFileSync(process.env.TLS_CERT)
  }
  const server = https.createServer(identity, (request, response) => {
    const passed = http.request({
      host: target.hostname, port: target.port, path: request.url,
      method: request.method, headers: request.headers
    }, answer => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    })
    passed.on('error', error => response.destroy(error))
    request.pipe(passed)
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return `https://127.0.0.1:${server.address().port}`
}

// Answers webhooks with the SDK's scripts and verifies each with the SDK.
class Application {
  static async start () {
    const application = new Application()
    application.server = http.createServer((request, response) => {
      let body = ''
      request.on('data', chunk => { body += chunk })
      request.on('end', () => application.receive(request, body, response))
    })
    await new Promise(resolve => application.server.listen(0, '127.0.0.1', resolve))
    return application
  }

  constructor () {
    this.answers = {}
    this.webhooks = []
    this.offences = []
  }

  url (path) {
    return `http://127.0.0.1:${this.server.address().port}${path}`
  }

  answer (path, script) {
    this.answers[path] = script
  }

  receive (request, body, response) {
    let told
    try {
      utils.verifyRequest(body, request.headers['freeclimb-signature'], secret)
      told = JSON.parse(body)
      this.webhooks.push({ path: request.url, told })
    } catch (offence) {
      this.offences.push(`${request.url}: ${offence}: ${body}`)
    }
    const script = this.answers[request.url]
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(script ? script(told) : []))
  }

  told (path, fits = () => true) {
    return until(`${path} is told`, () => {
      const webhook = this.webhooks.find(one => one.path === path && fits(one.told))
      return webhook && webhook.told
    })
  }
}

// A call placed by sipp, which waits to be hung up.
class Phone {
  constructor (target) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tutti-'))
    const process_ = spawn('sipp', [
      '-sf', process.env.SIPP_SCENARIO, '-s', target, '-m', '1', '-nostdin',
      '-i', '127.0.0.1', '-mi', '127.0.0.1', process.env.TUTTI_SIP
    ], { cwd: folder, stdio: 'ignore' })
    this.ended = new Promise((resolve, reject) => process_.on('exit', code => {
      fs.rmSync(folder, { recursive: true })
      code === 0 ? resolve() : reject(new Error(`sipp ended with ${code}`))
    }))
  }
}
