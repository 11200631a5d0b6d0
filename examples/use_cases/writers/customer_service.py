"""The desk of a ferry line: each message gets the key of one of twelve fixed answers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

LONG = """You sort messages to Skerry Line, ferries between the mainland and the islands. Say the key of the \
answer that fits: the key alone, in small letters, for our program reads it.

timetable: when and from where ferries leave, and how long they take
fares: prices and discounts
change_booking: another day, time or name on a ticket
cancel_refund: giving a ticket back, money back
luggage: bags, boxes, bicycles as luggage
pets: animals on board
vehicles: cars, vans, motorbikes, trailers
delays: late or cancelled ferries
lost_property: things left behind
accessibility: wheelchairs, help with boarding
food: eating and drinking on board
human: everything else, and whoever asks for a person"""

SHORT = "Say the key of the Skerry Line answer that fits."

MESSAGES = {
    "timetable": """
What time is the first boat to Hollay on Saturday?
when does the last ferry come back from the islands
How long is the crossing to Great Sarn?
do you sail on christmas day
Is there a morning departure to Inner Tarn in winter?
which pier does the 14:20 go from
Do the boats still run every hour in October?
I'd like to know whether there is a night sailing on Fridays
how many crossings a day are there to hollay
We land at the airport at noon, can we still catch a boat that day?
Where do I find the summer schedule?
Does the 9 o'clock stop at Little Sarn on its way?
what days does the slow boat go
Is Sunday service different from weekdays?
How early can I get to the island on a Tuesday
the boat at half six, does it run in march too
Are there any sailings after ten in the evening?
From which harbour do you leave for Great Sarn?
When do you start going to Tarn again after the winter break?
need departure times for the 3rd of may please
is it a direct crossing or do we stop somewhere
How long before sailing does boarding begin?
at what hour does the slow boat sail on mondays
Which sailings go to Inner Tarn on Sundays?
Is there a boat around lunchtime?
how often do you go in the summer
When is the last return from Great Sarn on a Saturday night?
Please send me the departure times for next week
""",
    "fares": """
How much is a day return to Hollay for two adults?
do students pay less
What does a child of six cost?
Is there a family ticket?
price for a single to great sarn
Are islanders given a discount?
I am 67, is there a senior rate
What would a monthly pass come to?
cheapest way to go over for a weekend?
Do babies need a paid ticket?
how much for a group of fifteen walkers
Is it less expensive if I book online?
Does the price go up in the high season?
do you take railcards
What do ten single tickets in a block cost?
is first class worth it and what does it cost
Can I pay the fare by card on the quay, and is it the same price
are there any offers in november
Tell me the rate for a school class of 24 please
how much extra is the fast boat
Do carers travel free with the person they look after?
what's the fare if I only go one way
What do you charge for a one-way trip to Inner Tarn?
is there a discount for nurses
How expensive is a season ticket?
do teenagers pay the adult price
What would a return cost for my wife and me?
Is the evening ticket cheaper than the day ticket?
""",
    "change_booking": """
I need to move my trip from Monday to Wednesday.
can I take the later boat with the ticket I have
My friend is travelling in my place, can you put her name on it?
Please shift us to the 8:15 instead of the 10:40
wrong date on my booking, should be the 12th
Is it possible to stay a day longer and return on Sunday with the same ticket?
we want to leave one day earlier
I misspelt my surname when I booked
How do I add one more passenger to our reservation?
swap my outbound sailing to the afternoon please
Our plans have changed and we would rather go in June, same people.
I booked Hollay but meant Great Sarn, can that be altered
can the return be left open after booking
Change of passenger: not Tom Reeve but Ada Reeve
what do you charge for moving a ticket to another day
I have chosen the morning by mistake and want the evening
there are four of us now not five, please correct the booking
Could you rebook me on the next sailing, my train is slow
Switch our tickets to the following weekend.
up to when can I alter the time of my crossing
My booking says two children but one has turned sixteen
please postpone my crossing by a week
Can I still change the day on my ticket?
I'd like to sail at noon instead of nine
move my reservation to the 21st please
Please put my husband's name on the ticket instead of mine
we need to bring the return forward to Friday
How can I switch to an earlier boat?
""",
    "cancel_refund": """
I can't travel any more, how do I get my money back?
cancel my booking please
What part of the fare do you return if I call it off two days before?
My mother is ill and we have to call off the trip
when will the refund be on my card
I was charged twice, please return one payment
Is a saver ticket refundable?
we did not use the return half, do we get something for it
I'd like to give back three of my five tickets.
until when can one cancel for free
You still have not paid me back for the trip in April
please void reservation for tomorrow, we have the flu
Do I get the whole amount back or only a voucher?
drop my ticket and reimburse me
Bought the wrong pass, I want my money back and won't need another
how do i hand back an unused ticket
Storm or not, I don't want to go any longer. Refund?
Could I return a gift voucher I never used?
cancellation fee, how high is it
the money for my cancelled ticket never came
Please take me off the sailing on the 4th, I am not coming
We will not be going after all, please reimburse both fares.
I would like a refund for my return ticket.
how long does it take until I see my money again
We must cancel the whole group, do we get the fare back?
Please cancel order 5521 and refund it
Do I lose my money if I cancel today?
give me my money back, we are not travelling
""",
    "luggage": """
How many suitcases may I bring?
is there a limit on the weight of bags
Can I bring my surfboard?
where do I leave big bags during the crossing
Do you carry bicycles, and do they count as baggage?
I have a cello with me, is that all right
may I take a folding bike into the lounge
can you send a box of books over without me
Is a pushchair counted as a bag?
Do I have to carry my rucksack upstairs or is there a rack
two crates of vegetables as hand baggage, ok?
What is the largest case you accept?
are there lockers at the pier for our bags
we bring tents and four backpacks, is that too much
Am I allowed to take a gas bottle for camping?
Do I pay more for a third suitcase?
fishing rods on board allowed?
Can bags be checked through to the hotel?
my kayak is four metres long. will you take it
Is a trolley with groceries fine?
How do I label a parcel that travels alone
sledges and skis, where do they go
How heavy may my suitcase be?
is a bicycle extra baggage
Can I take a big rucksack and a tent?
where are bags kept on board
Does each passenger get one free case?
I have a large box with me, will it be accepted as luggage?
""",
    "pets": """
May my dog come along?
do cats need a carrier
Is there a deck where dogs are allowed?
I travel with two rabbits, is that possible
does a puppy need a ticket
Can my parrot sit in the lounge with me?
Must the dog wear a muzzle on board?
where can he have water, my spaniel gets thirsty
Are guide dogs let into the restaurant?
we'd bring a tortoise in a box
How many dogs may one person take?
horse in a box, do you carry that
What papers does a cat need for the islands?
can the hound stay in the car while we cross
my hamster is coming too :)
Is the ship's cabin all right for animals?
Big dogs: any rule about their size?
Do you let ferrets on board
Can we sit inside with our terrier when it rains?
is there a fee for animals
My daughter wants to take her guinea pig to grandma, may she
Are there days on which dogs are not welcome?
Are dogs allowed on the ferry?
what does my cat travel in
Can I take my two dogs on the deck?
is there a ticket for animals
We have a small dog. Where do we sit with it?
may a bird in a cage come on board
""",
    "vehicles": """
Can I take my car to Great Sarn?
how high may a van be
We have a caravan of seven metres. Is there room?
When must I be at the ramp with the car?
do motorbikes need a reservation
Is there charging for electric cars on the ship?
Could you carry a small tractor
is it permitted to stay in the camper during the crossing
My car runs on gas, is that a problem?
Parking at the harbour: where can the car stay for a week?
how wide are the lanes on the car deck
I want to bring a trailer with a boat on it
Which ferries take cars and which don't?
we come with a minibus for nine, does it fit
Does the roof box change which class my car is in?
a lorry with hay, twelve tonnes, possible?
Do you allow quad bikes?
can I drive on board with a hired car
Where do motorcyclists queue?
is there still space on the car deck this saturday
My number plate has changed, do you need it for boarding?
Is a moped treated like a motorbike?
How long may a car with a trailer be?
can my van go on the early boat
Do you take motor homes?
where do cars line up for boarding
I drive an electric car, may I bring it on board?
is the car deck locked while we cross
""",
    "delays": """
Is the 11:30 on time today?
the boat hasn't come, what is going on
Are you sailing in this wind?
We have been waiting at the pier for an hour
Why was the evening crossing called off?
how late is the ship from hollay
My ferry was cancelled, which one do I take now?
Will there be boats tomorrow with the storm coming?
any disruption this afternoon
I missed my train because you came in two hours behind. What now?
fog here. do you run?
The board says delayed but not until when
do you send a text if my sailing is late
Is the strike affecting Thursday's boats?
still no ship at Tarn pier and it is past five
Since the engine trouble, are you back to normal?
What do you owe me when you are three hours late?
is the noon ferry running or not
Who pays for my hotel when the last boat does not go?
How will I know if the weather stops you?
heard the ramp is broken, does that hold up the boats
Stuck on Little Sarn, no boat came. Help!
Has the evening boat been cancelled?
is my ferry late again
How long is the delay from Great Sarn?
are the boats going today, it is very stormy
The ship is not here yet. When will it come?
was the 7 o'clock called off because of the fog
""",
    "lost_property": """
I left my umbrella on the boat yesterday.
did anyone hand in a red scarf
My son forgot his teddy on deck two
lost my phone between the pier and the café
Where can I pick up things that were found?
I think my glasses are still lying at seat 14
black wallet, missing since the 16:00 crossing
Has a set of keys with a blue tag turned up?
we forgot a whole bag in the luggage rack
How long do you keep what people leave behind?
somebody must have found my camera
A silver earring went missing on board, please look for it
I can't find my jacket, must have stayed on the ship
my kindle is gone, I was reading by the window
Can you post my hat to me if it has been found?
Is there an office for mislaid things in Hollay?
left the pram in the lounge, silly me
I found a ring on your ferry. Where shall I bring it?
Have you come across a walking stick with a brass knob
our boy's school bag is still on your boat
dropped my glove on the gangway on monday
A laptop in a grey sleeve was left at table six.
I lost my gloves on the ferry, have you found them?
forgot my bag on board this morning
Did you find a blue backpack on the 9:30?
my purse is lost, where can I ask
A child's shoe was left behind on deck
Has anybody found a phone with a green case?
""",
    "accessibility": """
My wife uses a wheelchair. Can she get on board?
is there a lift to the upper deck
Can somebody help me up the gangway, I walk with crutches
Do you have toilets for disabled people?
I am blind and travelling by myself, what help is there
how steep is the ramp at low tide
Can a mobility scooter be taken along?
We need a seat near the door for my father, who can hardly walk
are announcements shown in writing for the deaf
Is the pier at Tarn free of steps?
I would like assistance at boarding on Friday
could you lend us a wheelchair at the harbour
does the small boat have step-free access
My hip is new and stairs are hard. Which deck is best?
How do I book help for a passenger with poor sight?
is there a hearing loop at the ticket window
Where do I park with a blue badge close to the gangway?
travelling with a child with autism, is there a quiet corner
Will the crew push the chair on board?
Are the doors wide enough for an electric wheelchair?
I can't stand for long. Is there seating while queueing?
are service rooms on board fitted for somebody with one arm
Can I come on board with a wheelchair?
my mother can't climb stairs, is there a lift
Do you help passengers who are blind?
is there a disabled toilet on the small boat
I need help to get on the ship, I have a bad leg
Is the lounge reachable without steps?
""",
    "food": """
Is there a café on board?
can i get something vegan on the ship
Do you serve breakfast on the early crossing?
May we eat our own sandwiches in the lounge?
how late is the bar open
Is there a kettle for baby milk?
What is on the lunch menu?
do they have gluten free cake
Can I bring my own wine?
is the water from the tap fit to drink
Do we have to reserve a table for dinner?
Can I pay in the restaurant by phone
any hot meals on the short crossing, or only snacks
My daughter must not eat nuts. Is that possible with you?
coffee on board? I can't live without it
Do you have a children's menu?
where can I warm up soup
Could you make a birthday cake for us on the Saturday boat
halal dishes, do you have any
Does the kiosk sell beer?
are there vending machines on the night boat
How much is a pot of tea in the saloon?
Can we get lunch on board?
is there a restaurant on the big ship
Do you sell sandwiches and tea?
what is there to drink on the evening boat
When does the café close?
are meals included in the ticket
""",
    "human": """
I want to speak to a real person.
Do you have jobs for deckhands?
can we get married on one of your ships
Please put me through to somebody
I am writing an article about the line, who answers questions?
Your steward was wonderful, please tell her
this bot is useless, give me an agent
May I film a music video at your pier?
Who built the Star of Sarn?
I'd like to complain about a rude officer
Is the island church open to visitors?
do you have a press office
Let me talk to the harbour master
We want to hire the whole ship for a party
call me back please
How do I become a supplier of rope to you?
which hotel on hollay do you recommend
Where do you stand on plastic waste?
can I get a human on the line
Do you give tours of the engine room?
My neighbour says you pollute the bay, what do you say to that
Could a colleague of yours ring me about something private?
Can I talk to one of your staff?
Do you have any work for students in summer?
i need to speak with a manager
Who owns the Skerry Line?
Can you tell me where to stay in Great Sarn?
I have a complaint about one of the crew
""",
}


def pairs(dice: Random) -> Iterator[tuple[str, str]]:
    """Messages and the keys of their answers, key by key in turn."""
    shuffled = {key: dice.sample(lines := text.strip().splitlines(), len(lines)) for key, text in MESSAGES.items()}
    for row in zip(*shuffled.values(), strict=True):
        yield from zip(row, shuffled, strict=True)
